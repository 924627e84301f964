/**
 * Where things stand, in metres. The town is a grid of blocks with roads between; each street (街镇) is a rectangle of blocks
 * and avenues run between the streets. A block holds one compound: rows of buildings, a path north of each row, where the
 * stairs and so the lifts are, and one path across the rows to the gate.
 */
import { RandomStream } from '../random.ts'

/** Metres east and north in the town's own frame, which is turned a little against north. */
export type Point = readonly [eastM: number, northM: number]
/** Longitude and latitude, WGS-84 degrees, as GeoJSON orders them. */
export type Position = readonly [longitude: number, latitude: number]
export type Rectangle = {
  readonly westM: number
  readonly southM: number
  readonly eastM: number
  readonly northM: number
}

/** Invented centre, WGS-84 degrees. */
export const TOWN_CENTRE = { longitude: 121.284, latitude: 31.0625 } as const
const METRES_PER_DEGREE = 111_320

/** Room for the 15 buildings that a compound has at most. */
const COLUMN_COUNT = 3
const ROW_COUNT_MAX = 5
const COLUMN_M = 66
const ROW_M = 30
const SPINE_M = 8
const MARGIN_M = 8
const ROAD_M = 22
/** What an avenue is wider than a road. */
const AVENUE_M = 24
const BLOCK_WIDTH_M = COLUMN_COUNT * COLUMN_M + SPINE_M + 2 * MARGIN_M
const BLOCK_DEPTH_M = ROW_COUNT_MAX * ROW_M + 2 * MARGIN_M
/** The stairs are on the north side; the lift stands in front of them. */
const LIFT_GAP_M = 1.6
const PATH_FROM_ROW_M = 12

/** The grid of blocks. */
export type Grid = {
  readonly compoundCount: number
  readonly streetCount: number
  /** Blocks of one street. */
  readonly columnCount: number
  readonly rowCount: number
  /** Streets beside one another. */
  readonly streetColumnCount: number
  readonly streetRowCount: number
}

export function gridOf(compoundCount: number, streetCount: number): Grid {
  const blockCount = Math.max(1, Math.ceil(compoundCount / streetCount))
  const columnCount = Math.ceil(Math.sqrt(blockCount))
  const streetColumnCount = Math.ceil(Math.sqrt(streetCount))
  return {
    ...{ compoundCount, streetCount, columnCount, streetColumnCount },
    rowCount: Math.ceil(blockCount / columnCount),
    streetRowCount: Math.ceil(streetCount / streetColumnCount),
  }
}

/** The street of a compound; compounds that follow one another are in the same street. */
export const streetIndexOf = (grid: Pick<Grid, 'compoundCount' | 'streetCount'>, index: number): number =>
  Math.floor((index * grid.streetCount) / grid.compoundCount)

/** South-west corner of the block of a compound, and so of the compound. */
export function blockCorner(grid: Grid, index: number): Point {
  const street = streetIndexOf(grid, index)
  const place = index - Math.ceil((street * grid.compoundCount) / grid.streetCount)
  const column = (street % grid.streetColumnCount) * grid.columnCount + (place % grid.columnCount)
  const row = Math.floor(street / grid.streetColumnCount) * grid.rowCount + Math.floor(place / grid.columnCount)
  return [columnM(grid, column), rowM(grid, row)]
}

/** Middle lines of the roads, from west to east and from south to north, with a point at each crossing. */
export function roadsOf(grid: Grid): { readonly points: Point[]; readonly isAvenue: boolean }[] {
  if (grid.compoundCount === 0) return []
  const columns = lines(grid.streetColumnCount, grid.columnCount, (column) => columnM(grid, column))
  const rows = lines(grid.streetRowCount, grid.rowCount, (row) => rowM(grid, row))
  return [
    ...rows.map(({ atM, isAvenue }) => ({ isAvenue, points: columns.map((column): Point => [column.atM, atM]) })),
    ...columns.map(({ atM, isAvenue }) => ({ isAvenue, points: rows.map((row): Point => [atM, row.atM]) })),
  ]
}

/**
 * Between the blocks and at both ends; `edgeM` is the west or south edge of a block. An avenue has its green strip on the far
 * side, so that every gate is as far from its road.
 */
function lines(groupCount: number, perGroup: number, edgeM: (block: number) => number) {
  return Array.from({ length: groupCount * perGroup + 1 }, (_, block) => {
    const isAvenue = block % perGroup === 0 && block > 0 && block < groupCount * perGroup
    return { atM: edgeM(block) - ROAD_M / 2, isAvenue }
  })
}

/** West edge of a column of blocks; the middle of the town is at 0. */
const columnM = (grid: Grid, column: number): number =>
  edgeM(column, grid.columnCount, grid.streetColumnCount, BLOCK_WIDTH_M)
const rowM = (grid: Grid, row: number): number => edgeM(row, grid.rowCount, grid.streetRowCount, BLOCK_DEPTH_M)

function edgeM(block: number, perGroup: number, groupCount: number, sizeM: number): number {
  const blockCount = perGroup * groupCount
  const totalM = blockCount * (sizeM + ROAD_M) + (groupCount - 1) * AVENUE_M
  // Behind the last block there is no other street and so no avenue.
  const avenueCount = Math.min(groupCount - 1, Math.floor(block / perGroup))
  return block * (sizeM + ROAD_M) + avenueCount * AVENUE_M + ROAD_M / 2 - totalM / 2
}

/** The ground of a compound with so many buildings. */
export function compoundGround([westM, southM]: Point, buildingCount: number): Rectangle {
  const rowCount = Math.ceil(buildingCount / COLUMN_COUNT)
  return { westM, southM, eastM: westM + BLOCK_WIDTH_M, northM: southM + rowCount * ROW_M + 2 * MARGIN_M }
}

/** The footprint of building number 1, 2, …: three to a row, its stairs on the north side. */
export function buildingGround(
  [westM, southM]: Point,
  o: { number: number; widthM: number; depthM: number; shiftM: number },
): Rectangle {
  const column = (o.number - 1) % COLUMN_COUNT
  const row = Math.floor((o.number - 1) / COLUMN_COUNT)
  const middleM = westM + MARGIN_M + (column + 0.5) * COLUMN_M + (column > 0 ? SPINE_M : 0) + o.shiftM
  const rowMiddleM = southM + MARGIN_M + (row + 0.5) * ROW_M
  return {
    ...{ westM: middleM - o.widthM / 2, eastM: middleM + o.widthM / 2 },
    ...{ southM: rowMiddleM - o.depthM / 2, northM: rowMiddleM + o.depthM / 2 },
  }
}

/** How far a building may be moved along its row. */
export const shiftMaxM = (widthM: number): number => Math.max(0, (COLUMN_M - 4 - widthM) / 2)

/** The lift of a unit: outside, in front of the stairs in the middle of the unit. */
export const liftPoint = (ground: Rectangle, unit: number, unitCount: number): Point => [
  ground.westM + ((unit - 0.5) * (ground.eastM - ground.westM)) / unitCount,
  ground.northM + LIFT_GAP_M,
]

/** The path from the road through the gate across the rows, then one path along the north side of each row. */
export function pathsOf(ground: Rectangle): Point[][] {
  const rowCount = Math.round((ground.northM - ground.southM - 2 * MARGIN_M) / ROW_M)
  const spineM = ground.westM + MARGIN_M + COLUMN_M + SPINE_M / 2
  const rows = Array.from(
    { length: rowCount },
    (_, row) => ground.southM + MARGIN_M + (row + 0.5) * ROW_M + PATH_FROM_ROW_M,
  )
  const spine: Point[] = [ground.southM - ROAD_M / 2, ...rows].map((northM) => [spineM, northM])
  const along = rows.map((northM): Point[] => [
    [ground.westM + MARGIN_M, northM],
    [spineM, northM],
    [ground.eastM - MARGIN_M, northM],
  ])
  return [spine, ...along]
}

/** Turns metres of the town's frame into degrees, to 6 digits (0.1 m). A town looks less drawn with a ruler when it is turned. */
export function placer(seed: number): (point: Point) => Position {
  const turnRad = (new RandomStream(seed, 20).next() - 0.5) * 0.35
  const [cos, sin] = [Math.cos(turnRad), Math.sin(turnRad)]
  const perDegreeEast = METRES_PER_DEGREE * Math.cos((TOWN_CENTRE.latitude * Math.PI) / 180)
  return ([eastM, northM]) => [
    round(TOWN_CENTRE.longitude + (eastM * cos - northM * sin) / perDegreeEast),
    round(TOWN_CENTRE.latitude + (eastM * sin + northM * cos) / METRES_PER_DEGREE),
  ]
}
const round = (degrees: number): number => Math.round(degrees * 1e6) / 1e6
