import type { LiftId, OrganisationId } from '#contract/ids'
import type { Lift } from '#contract/register'

/** A lift of two landings that this contractor serves, for the register. */
export const liftOf = (id: string, contractor: string | null): Lift => ({
  id: id as LiftId,
  name: `樱花苑 ${id}`,
  compound: '樱花苑',
  building: '7',
  unit: '2',
  town: '示范街道',
  registrationCode: `31105${id}`.slice(0, 20),
  rescueCode: '100001',
  landings: [
    { label: '1', heightMm: 0 },
    { label: '2', heightMm: 2_900 },
  ],
  entry: 'full-floor',
  ratedLoadKg: 450,
  ratedSpeedMps: 1,
  longitude: 121.4,
  latitude: 31.2,
  contractor: contractor === null ? null : (contractor as OrganisationId),
  simulated: true,
})
