/** The address of an InfluxDB, as it stands in `TELEMETRY_URL`. */

export type InfluxAddress = {
  /** `http://host:port`, without credentials. */
  readonly url: string
  /** For messages: without credentials. */
  readonly host: string
  /** Database of 1.x, bucket of 2.x. */
  readonly bucket: string
  /** 2.x only. */
  readonly org: string | undefined
  /** Value of the `Authorization` header. */
  readonly authorization: string | undefined
}

/** `influx+http://[user:password@]host[:8086]/bucket[?org=…&token=…]`. Throws a sentence for people, never with the secret in it. */
export function readInfluxUrl(text: string): InfluxAddress {
  const form = 'TELEMETRY_URL has to look like influx+http://user:password@host:8086/database'
  // The reason of the platform's own error is left out: it repeats the text, password and all.
  if (!URL.canParse(text)) throw new Error(`${form}; this is not a URL`)
  const url = new URL(text)
  const bucket = decode(url.pathname.slice(1))
  if (url.hostname === '') throw new Error(`${form}; the host is missing`)
  if (bucket === '' || bucket.includes('/')) throw new Error(`${form}; after the host stands the name of one database`)
  const secure = url.protocol === 'influx+https:'
  const host = `${url.hostname}:${url.port || (secure ? '443' : '8086')}`
  return {
    url: `${secure ? 'https' : 'http'}://${host}`,
    host,
    bucket,
    org: url.searchParams.get('org') ?? undefined,
    authorization: toAuthorization(url),
  }
}

function toAuthorization(url: URL): string | undefined {
  const token = url.searchParams.get('token')
  if (token !== null && token !== '') return `Token ${token}`
  if (url.username === '') return undefined
  const credentials = `${decode(url.username)}:${decode(url.password)}`
  return `Basic ${Buffer.from(credentials, 'utf8').toString('base64')}`
}

/** Percent signs that encode nothing stay as they are: in a password they are easily forgotten. */
function decode(text: string): string {
  try {
    return decodeURIComponent(text)
  } catch {
    return text
  }
}
