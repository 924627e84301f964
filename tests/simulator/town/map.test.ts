import { beforeAll, describe, expect, it } from 'vitest'
import { mapOf, type MapFeature, type TownMap } from '#simulator/town/map'
import { TOWN_CENTRE } from '#simulator/town/layout'
import { generateTown, LIFT_COUNT_MAX, type Town } from '#simulator/town/town'

const townOf = (liftCount: number, seed = 20) => generateTown({ seed, liftCount, boundAtMs: 0 })
type Kind = MapFeature['properties']['kind']
type OfKind<K extends Kind> = Extract<MapFeature, { properties: { kind: K } }>
const isOf =
  <K extends Kind>(kind: K) =>
  (feature: MapFeature): feature is OfKind<K> =>
    feature.properties.kind === kind
const ofKind = <K extends Kind>(map: TownMap, kind: K): OfKind<K>[] => map.features.filter(isOf(kind))

function positionsOf(geometry: MapFeature['geometry']): readonly (readonly [number, number])[] {
  switch (geometry.type) {
    case 'Point':
      return [geometry.coordinates]
    case 'LineString':
      return geometry.coordinates
    case 'Polygon':
      return geometry.coordinates.flat()
  }
}

/** Metres east and north of the centre. */
type Point = readonly [number, number]
const metres = ([longitude, latitude]: readonly [number, number]): Point => [
  (longitude - TOWN_CENTRE.longitude) * 111_320 * Math.cos((TOWN_CENTRE.latitude * Math.PI) / 180),
  (latitude - TOWN_CENTRE.latitude) * 111_320,
]
const minus = (a: Point, b: Point): Point => [a[0] - b[0], a[1] - b[1]]
const cross = (a: Point, b: Point): number => a[0] * b[1] - a[1] * b[0]
const dot = (a: Point, b: Point): number => a[0] * b[0] + a[1] * b[1]
const edgesOf = (points: readonly Point[]): [Point, Point][] =>
  points.slice(1).map((to, index): [Point, Point] => [points[index] ?? to, to])
const ringOf = (feature: OfKind<'building'> | OfKind<'compound'>): Point[] =>
  (feature.geometry.coordinates[0] ?? []).map(metres)
const lineOf = (feature: OfKind<'path'> | OfKind<'road'>): Point[] => feature.geometry.coordinates.map(metres)
const areaOf = (ring: readonly Point[]): number =>
  edgesOf(ring).reduce((sum, [from, to]) => sum + cross(from, to), 0) / 2

/** Two convex shapes, or a convex shape and a segment, are apart when some edge of one has the other wholly outside. */
const areApart = (a: readonly Point[], b: readonly Point[]): boolean =>
  [...edgesOf(a), ...edgesOf(b)].some(([from, to]) => {
    const along = minus(to, from)
    const sides = (points: readonly Point[]) => points.map((point) => cross(along, minus(point, from)))
    const [ofA, ofB] = [sides(a), sides(b)]
    return Math.max(...ofA) < Math.min(...ofB) || Math.max(...ofB) < Math.min(...ofA)
  })

function distance(point: Point, [from, to]: [Point, Point]): number {
  const along = minus(to, from)
  const share = Math.min(1, Math.max(0, dot(minus(point, from), along) / dot(along, along)))
  return Math.hypot(...minus(point, [from[0] + share * along[0], from[1] + share * along[1]]))
}
const distanceToLine = (point: Point, line: readonly Point[]): number =>
  Math.min(...edgesOf(line).map((edge) => distance(point, edge)))
const contains = (ring: readonly Point[], point: Point): boolean =>
  edgesOf(ring).every(([from, to]) => cross(minus(to, from), minus(point, from)) > 0)

function groupBy<Value>(values: readonly Value[], key: (value: Value) => string): Map<string, Value[]> {
  const groups = new Map<string, Value[]>()
  for (const value of values) groups.set(key(value), [...(groups.get(key(value)) ?? []), value])
  return groups
}

describe.each([
  [8, 20],
  [120, 20],
  [300, 7],
  [1000, 4711],
])('the map of a town of %i lifts', (liftCount, seed) => {
  let town: Town = townOf(0)
  let map: TownMap = mapOf(town)
  beforeAll(() => {
    town = townOf(liftCount, seed)
    map = mapOf(town)
  })

  it('is GeoJSON: closed counter-clockwise rings, longitude first, each id once', () => {
    expect(map.type).toBe('FeatureCollection')
    expect(new Set(map.features.map(({ id }) => id)).size).toBe(map.features.length)
    for (const feature of [...ofKind(map, 'compound'), ...ofKind(map, 'building')]) {
      expect(feature.geometry.coordinates.length).toBe(1)
      const ring = feature.geometry.coordinates[0] ?? []
      expect(ring.length).toBeGreaterThanOrEqual(4)
      expect(ring[0]).toEqual(ring[ring.length - 1])
      expect(areaOf(ringOf(feature))).toBeGreaterThan(200)
    }
    for (const { geometry } of map.features)
      for (const [longitude, latitude] of positionsOf(geometry)) {
        expect(Math.abs(longitude - TOWN_CENTRE.longitude)).toBeLessThan(0.1)
        expect(Math.abs(latitude - TOWN_CENTRE.latitude)).toBeLessThan(0.1)
      }
  })

  it('has each lift of the town where the register has it, outside and a few metres from its own building', () => {
    const buildings = new Map(ofKind(map, 'building').map((building) => [building.id, building]))
    const lifts = ofKind(map, 'lift')
    expect(lifts.map(({ id, geometry, properties }) => [id, properties.name, geometry.coordinates])).toEqual(
      town.lifts.map(({ id, name, longitude, latitude }) => [id, name, [longitude, latitude]]),
    )
    for (const { geometry, properties } of lifts) {
      const building = buildings.get(properties.building)
      if (building === undefined) throw new Error(`no building ${properties.building}`)
      const ring = ringOf(building)
      const away = distanceToLine(metres(geometry.coordinates), ring)
      expect(away).toBeGreaterThan(1)
      expect(away).toBeLessThan(3)
      expect(contains(ring, metres(geometry.coordinates))).toBe(false)
    }
  })

  it('has no building that overlaps another, stands on a path or outside its compound', () => {
    const paths = groupBy(ofKind(map, 'path'), ({ properties }) => properties.compound)
    const buildings = groupBy(ofKind(map, 'building'), ({ properties }) => properties.compound)
    for (const compound of ofKind(map, 'compound')) {
      const rings = (buildings.get(compound.id) ?? []).map(ringOf)
      expect(rings.length).toBeGreaterThanOrEqual(10)
      const edges = (paths.get(compound.id) ?? []).flatMap((path) => edgesOf(lineOf(path)))
      expect(edges.length).toBeGreaterThan(0)
      const outline = ringOf(compound)
      for (const [index, ring] of rings.entries()) {
        for (const corner of ring) expect(contains(outline, corner)).toBe(true)
        for (const other of rings.slice(index + 1)) expect(areApart(ring, other)).toBe(true)
        for (const edge of edges) expect(areApart(ring, edge)).toBe(true)
      }
    }
  })

  it('has no compound that overlaps another or lies on a road, and a way from each to a road', () => {
    const compounds = ofKind(map, 'compound').map(ringOf)
    const roads = ofKind(map, 'road').map(lineOf)
    const edges = roads.flatMap(edgesOf)
    for (const [index, ring] of compounds.entries()) {
      for (const other of compounds.slice(index + 1)) expect(areApart(ring, other)).toBe(true)
      for (const edge of edges) expect(areApart(ring, edge)).toBe(true)
    }
    for (const path of ofKind(map, 'path').filter(({ id }) => id.endsWith('.path-0'))) {
      const gate = lineOf(path)[0]
      if (gate === undefined) throw new Error(`${path.id} has no point`)
      expect(Math.min(...roads.map((road) => distanceToLine(gate, road)))).toBeLessThan(0.5)
    }
  })
})

describe('any map', () => {
  it('is the same bytes for the same seed, and turned otherwise for another', () => {
    const text = (seed: number) => JSON.stringify(mapOf(townOf(120, seed)))
    expect(text(20)).toBe(text(20))
    expect(text(20)).not.toBe(text(21))
  })

  it('says that it is free of rights and invented', () => {
    expect(mapOf(townOf(8))).toMatchObject({ license: 'CC0-1.0', simulated: true, seed: 20 })
  })

  it('may be empty', () => {
    expect(mapOf(townOf(0)).features).toEqual([])
  })

  it('of 10 000 lifts takes less than 15 MB and names each road once', () => {
    const map = mapOf(townOf(LIFT_COUNT_MAX))
    expect(Buffer.byteLength(JSON.stringify(map))).toBeLessThan(15_000_000)
    const names = ofKind(map, 'road').map(({ properties }) => properties.name)
    expect(new Set(names).size).toBe(names.length)
    const streets = groupBy(ofKind(map, 'compound'), ({ properties }) => properties.street)
    expect(streets.size).toBe(16)
  })
})
