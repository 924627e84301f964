/** Whether a request was made by a page of another site. Cookies alone do not tell: a browser sends them along. */
import type { IncomingHttpHeaders } from 'node:http'

/**
 * True when a browser says that another origin made the request. `publicOrigin` is the origin under which browsers reach
 * the API; when it is empty the Host of the request stands for it. Programs that are no browsers send neither header.
 */
export function isForeignOrigin(headers: IncomingHttpHeaders, publicOrigin: string): boolean {
  const origin = headers.origin
  if (origin !== undefined) return !isOwnOrigin(origin, headers.host, publicOrigin)
  const site = headers['sec-fetch-site']
  return site !== undefined && site !== 'same-origin' && site !== 'none'
}

function isOwnOrigin(origin: string, host: string | undefined, publicOrigin: string): boolean {
  if (!URL.canParse(origin)) return false
  const url = new URL(origin)
  if (publicOrigin !== '') return url.origin === new URL(publicOrigin).origin
  return (
    (url.protocol === 'http:' || url.protocol === 'https:') && host !== undefined && url.host === host.toLowerCase()
  )
}
