/**
 * The town as GeoJSON (RFC 7946): roads, compounds, buildings, paths and lifts. Invented ground in WGS-84; it lines up with no
 * real map. The data is free of rights (CC0 1.0).
 */
import type { LiftId, OrganisationId } from '#contract/ids'
import { pathsOf, placer, roadsOf, type Point, type Position, type Rectangle } from './layout.ts'
import { ROAD_FIRSTS, ROAD_SECONDS } from './names.ts'
import { at, type Building, type Compound, type Town } from './town.ts'

type Polygon = { readonly type: 'Polygon'; readonly coordinates: readonly (readonly Position[])[] }
type LineString = { readonly type: 'LineString'; readonly coordinates: readonly Position[] }
type PointGeometry = { readonly type: 'Point'; readonly coordinates: Position }
type FeatureOf<Geometry, Properties> = {
  readonly type: 'Feature'
  readonly id: string
  readonly geometry: Geometry
  readonly properties: Properties
}

/** `kind` tells them apart. The feature of a lift has the id of the lift. */
export type MapFeature =
  | FeatureOf<LineString, { readonly kind: 'road'; readonly name: string; readonly isAvenue: boolean }>
  | FeatureOf<
      Polygon,
      {
        readonly kind: 'compound'
        readonly name: string
        readonly street: string
        readonly contractor: OrganisationId
        readonly propertyCompany: string
        readonly liftCount: number
      }
    >
  | FeatureOf<
      Polygon,
      {
        readonly kind: 'building'
        readonly name: string
        readonly compound: string
        readonly storeyCount: number
        readonly unitCount: number
        readonly liftCount: number
      }
    >
  | FeatureOf<LineString, { readonly kind: 'path'; readonly compound: string }>
  | FeatureOf<
      PointGeometry,
      { readonly kind: 'lift'; readonly name: string; readonly lift: LiftId; readonly building: string }
    >

/** A FeatureCollection with foreign members (RFC 7946 §6.1) for what holds of all of it. */
export type TownMap = {
  readonly type: 'FeatureCollection'
  readonly license: 'CC0-1.0'
  readonly simulated: true
  readonly seed: number
  readonly propertyCompanies: Town['propertyCompanies']
  readonly features: readonly MapFeature[]
}

/** The map of a town: the same town gives the same bytes when it is written as JSON. */
export function mapOf(town: Town): TownMap {
  const { seed, propertyCompanies } = town
  const place = placer(seed)
  const lifts = new Map(town.lifts.map((lift) => [lift.id, lift]))
  const features: MapFeature[] = roadsOf(town.grid).map(({ points, isAvenue }, index) => ({
    type: 'Feature',
    id: `road-${index + 1}`,
    geometry: { type: 'LineString', coordinates: points.map(place) },
    properties: { kind: 'road', name: at(ROAD_FIRSTS, index) + at(ROAD_SECONDS, index), isAvenue },
  }))
  for (const compound of town.compounds) {
    features.push(compoundFeature(compound, place), ...pathFeatures(compound, place))
    for (const building of compound.buildings) {
      features.push(buildingFeature(building, compound, place))
      for (const id of building.lifts) {
        const lift = lifts.get(id)
        if (lift !== undefined)
          features.push({
            ...{ type: 'Feature', id },
            geometry: { type: 'Point', coordinates: [lift.longitude, lift.latitude] },
            properties: { kind: 'lift', name: lift.name, lift: id, building: building.id },
          })
      }
    }
  }
  return { type: 'FeatureCollection', license: 'CC0-1.0', simulated: true, seed, propertyCompanies, features }
}

type Place = (point: Point) => Position

function compoundFeature(compound: Compound, place: Place): MapFeature {
  const { id, name, street, contractor, propertyCompany, ground, buildings } = compound
  const liftCount = buildings.reduce((sum, { lifts }) => sum + lifts.length, 0)
  return {
    ...{ type: 'Feature', id },
    geometry: polygon(ground, place),
    properties: { kind: 'compound', name, street, contractor, propertyCompany, liftCount },
  }
}

function buildingFeature(building: Building, compound: Compound, place: Place): MapFeature {
  const { id, name, ground, storeyCount, unitCount, lifts } = building
  return {
    ...{ type: 'Feature', id },
    geometry: polygon(ground, place),
    properties: { kind: 'building', name, compound: compound.id, storeyCount, unitCount, liftCount: lifts.length },
  }
}

const pathFeatures = (compound: Compound, place: Place): MapFeature[] =>
  pathsOf(compound.ground).map((points, index) => ({
    ...{ type: 'Feature', id: `${compound.id}.path-${index}` },
    geometry: { type: 'LineString', coordinates: points.map(place) },
    properties: { kind: 'path', compound: compound.id },
  }))

/** One outer ring, counter-clockwise, its first position repeated at the end (RFC 7946 §3.1.6). */
function polygon({ westM, southM, eastM, northM }: Rectangle, place: Place): Polygon {
  const ring: Point[] = [
    [westM, southM],
    [eastM, southM],
    [eastM, northM],
    [westM, northM],
    [westM, southM],
  ]
  return { type: 'Polygon', coordinates: [ring.map(place)] }
}
