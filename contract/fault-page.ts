/** The fault table as a page for people. Pure: `generate.ts` writes it. */
import { ALARM_KINDS } from './alarms.ts'
import { CODE_SET_NOTES, FAULTS, type Fault } from './faults.ts'
import { CODE_SETS } from './telemetry.ts'

const CLASS_NAMES = { fault: '故障 fault', event: '事件 event', alarm: '报警 alarm' } as const

const row = (cells: readonly (string | number)[]) => `| ${cells.join(' | ')} |`
const faultRow = ({ code, class: class_, zh, en, priority, alarmKind }: Fault) =>
  row([
    code,
    CLASS_NAMES[class_],
    zh,
    en,
    priority === 'log' ? '记录 log' : `P${priority}`,
    alarmKind === undefined ? '' : `${ALARM_KINDS[alarmKind].zh} \`${alarmKind}\``,
  ])

/** Markdown, one table for each code set. */
export function buildFaultPage(): string {
  const tables = CODE_SETS.map((codeSet) =>
    [
      `## \`${codeSet}\``,
      '',
      `${CODE_SET_NOTES[codeSet].zh} · ${CODE_SET_NOTES[codeSet].en}`,
      '',
      row(['代码 code', '类别 class', '中文', 'English', '默认优先级 priority', '对应报警 alarm']),
      row(['---:', '---', '---', '---', '---', '---']),
      ...FAULTS.filter((fault) => fault.codeSet === codeSet).map(faultRow),
      '',
    ].join('\n'),
  )
  return [
    '# 故障代码表 Fault table',
    '',
    'Generated from `contract/faults.ts` by `npm run generate`; do not edit.',
    '',
    'A code is known only together with its code set: interfaces use the same numbers for different things. The codes were seen in',
    'public implementations that agree with each other; they were not read in the text of the standard, and this table is no claim',
    'of conformity. A code that is not listed here is recorded, counted and shown, never dropped.',
    '',
    ...tables,
  ].join('\n')
}
