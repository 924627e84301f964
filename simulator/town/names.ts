/** Invented names. Firms carry 演示 (demonstration), so that nobody takes them for real ones. */
import type { Organisation } from '#contract/register'
import { OrganisationId } from '#contract/ids'
import { Compile } from 'typebox/compile'

const organisationId = Compile(OrganisationId)

export const OPERATIONS_CENTRE: Organisation = {
  id: organisationId.Parse('ops'),
  name: '梯望运行中心（演示）',
  kind: 'operations-centre',
  phone: null,
}

const contractor = (letter: string, name: string): Organisation => ({
  id: organisationId.Parse(`contractor-${letter}`),
  name: `${name}（演示）`,
  kind: 'contractor',
  phone: null,
})

/** 维保单位. Towns of up to 1 200 lifts have the first three. */
export const CONTRACTORS: readonly Organisation[] = [
  contractor('a', '澄岳梯安维保'),
  contractor('b', '栖云升降维保'),
  contractor('c', '砚北电梯维保'),
  contractor('d', '岑溪梯务维保'),
  contractor('e', '霁川电梯维保'),
  contractor('f', '漱石升降维保'),
  contractor('g', '沐阶电梯维保'),
  contractor('h', '泊远梯安维保'),
  contractor('i', '晴岚电梯维保'),
  contractor('j', '稳渡升降维保'),
  contractor('k', '衡枢电梯维保'),
  contractor('l', '听泉梯务维保'),
]

/**
 * 物业. The platform has no place for them: they are known to the town and its map, and are no organisation of the register.
 */
export type PropertyCompany = { readonly id: string; readonly name: string }
export const PROPERTY_COMPANIES: readonly PropertyCompany[] = [
  { id: 'property-a', name: '汀安物业（演示）' },
  { id: 'property-b', name: '檐下物业（演示）' },
  { id: 'property-c', name: '里和物业（演示）' },
  { id: 'property-d', name: '苇舟物业（演示）' },
  { id: 'property-e', name: '棠荫物业（演示）' },
  { id: 'property-f', name: '知邻物业（演示）' },
  { id: 'property-g', name: '朗舍物业（演示）' },
  { id: 'property-h', name: '青檐物业（演示）' },
]

/** 街镇. Towns of up to 2 400 lifts have the first four. */
export const STREETS: readonly string[] = [
  ...['梧澄街道', '砚浦街道', '苇汀镇', '栖鹭镇', '汀葭街道', '楸湄街道', '鹤蒲镇', '云桡镇'],
  ...['榆漪街道', '槐澍街道', '蓼洲镇', '雁浔镇', '柘溆街道', '桐沄街道', '菱濛镇', '澜埠镇'],
]

/** Names of roads are combined: 9 firsts and 7 seconds have no common factor and give 63 names. */
export const ROAD_FIRSTS: readonly string[] = ['樟溪', '葭月', '棠梨', '鹭影', '松笛', '云栈', '苔泉', '杏桥', '枫渡']
export const ROAD_SECONDS: readonly string[] = ['路', '街', '东路', '西路', '中路', '支路', '二路']

/** First half of a compound's name with the initials of its pinyin. No two have the same initials. */
export const BLOSSOMS: readonly { readonly zh: string; readonly initials: string }[] = [
  { zh: '樱花', initials: 'yh' },
  { zh: '海棠', initials: 'ht' },
  { zh: '丁香', initials: 'dx' },
  { zh: '玉兰', initials: 'yl' },
  { zh: '紫藤', initials: 'zt' },
  { zh: '桂子', initials: 'gz' },
  { zh: '银杏', initials: 'yx' },
  { zh: '梧桐', initials: 'wt' },
  { zh: '木槿', initials: 'mj' },
  { zh: '茉莉', initials: 'ml' },
  { zh: '芙蓉', initials: 'fr' },
  { zh: '杜鹃', initials: 'dj' },
  { zh: '石榴', initials: 'sl' },
  { zh: '香樟', initials: 'xz' },
  { zh: '水杉', initials: 'ss' },
  { zh: '竹影', initials: 'zy' },
  { zh: '松涛', initials: 'st' },
  { zh: '枫岸', initials: 'fa' },
  { zh: '柳岸', initials: 'la' },
  { zh: '荷风', initials: 'hf' },
  { zh: '兰汀', initials: 'lt' },
  { zh: '菊香', initials: 'jx' },
  { zh: '青桐', initials: 'qt' },
  { zh: '白榆', initials: 'by' },
  { zh: '霜叶', initials: 'sy' },
  { zh: '百合', initials: 'bh' },
  { zh: '葵阳', initials: 'ky' },
  { zh: '麦田', initials: 'mt' },
  { zh: '晚晴', initials: 'wq' },
  { zh: '春晖', initials: 'ch' },
  { zh: '和煦', initials: 'hx' },
]

/** Second half. 31 firsts and 24 seconds have no common factor: counted on together they give 744 names before one comes back. */
export const ENCLOSURES: readonly { readonly zh: string; readonly initials: string }[] = [
  { zh: '苑', initials: 'y' },
  { zh: '里', initials: 'l' },
  { zh: '坊', initials: 'f' },
  { zh: '新村', initials: 'xc' },
  { zh: '庭', initials: 't' },
  { zh: '花园', initials: 'hy' },
  { zh: '家园', initials: 'jy' },
  { zh: '公寓', initials: 'gy' },
  { zh: '小区', initials: 'xq' },
  { zh: '东苑', initials: 'dy' },
  { zh: '西苑', initials: 'xy' },
  { zh: '南里', initials: 'nl' },
  { zh: '北里', initials: 'bl' },
  { zh: '东坊', initials: 'df' },
  { zh: '南坊', initials: 'nf' },
  { zh: '西坊', initials: 'xf' },
  { zh: '南苑', initials: 'ny' },
  { zh: '北苑', initials: 'by' },
  { zh: '一村', initials: 'yc' },
  { zh: '二村', initials: 'ec' },
  { zh: '三村', initials: 'sc' },
  { zh: '书院', initials: 'sy' },
  { zh: '名庭', initials: 'mt' },
  { zh: '雅居', initials: 'yj' },
]
