/** The "common" and "combined" access logs of web servers, as Apache's and nginx's documentation have them. */
import { dataError } from 'millrace/connect'
import { objectFormat } from './line-format.ts'

const quoted = String.raw`"((?:[^"\\]|\\.)*)"`
const line = new RegExp(String.raw`^(\S+) (\S+) (.+?) \[([^\]]+)\] ${quoted} (\d{3}|-) (\d+|-)(?: ${quoted} ${quoted})?(?: (.*))?$`, 'su')
const request = /^(\S+) (.+?)(?: (HTTP\/[\d.]+))?$/su
const moment = /^(\d{2})\/([A-Z][a-z]{2})\/(\d{4}):(\d{2}):(\d{2}):(\d{2})(?:\.(\d{1,3})\d*)? ([+-])(\d{2})(\d{2})$/u

export const months = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec'] as const

/**
 * `time` is in milliseconds since the epoch; a field that the log gives as `-` is null. A request that is no request line
 * (a port scan, a TLS handshake on a plain port) has `method`, `path` and `protocol` null.
 */
export const accessLogFormat = objectFormat((text) => {
  const match = line.exec(text)
  if (match === null) throw dataError('not a line of a common or combined access log: host ident user [time] "request" status bytes is expected')
  const [, remoteHost, ident, user, time, requestLine, status, bytes, referer, userAgent, rest] = match
  const parts = request.exec(unescaped(requestLine!))
  return {
    remoteHost: remoteHost!,
    ident: orNull(ident!),
    user: orNull(user!),
    time: timeOf(time!),
    request: unescaped(requestLine!),
    method: parts?.[1] ?? null,
    path: parts?.[2] ?? null,
    protocol: parts?.[3] ?? null,
    status: numberOrNull(status!),
    bytes: numberOrNull(bytes!),
    referer: referer === undefined ? null : orNull(unescaped(referer)),
    userAgent: userAgent === undefined ? null : orNull(unescaped(userAgent)),
    ...(rest === undefined ? {} : { rest }),
  }
})

function timeOf(text: string): number {
  const match = moment.exec(text)
  const month = months.indexOf((match?.[2] ?? '') as (typeof months)[number])
  if (match === null || month < 0) throw dataError(`[${text}] is no time as access logs have it, such as [21/Nov/2026:06:00:00 +0000]`)
  const [, day, , year, hour, minute, second, fraction = '0', sign, zoneHours, zoneMinutes] = match
  const zoneMs = (Number(zoneHours) * 60 + Number(zoneMinutes)) * 60_000 * (sign === '-' ? -1 : 1)
  return Date.UTC(Number(year), month, Number(day), Number(hour), Number(minute), Number(second), Number(fraction.padEnd(3, '0'))) - zoneMs
}

function unescaped(text: string): string {
  return text.includes('\\') ? text.replace(/\\(["\\])/gu, '$1') : text
}

function orNull(text: string): string | null {
  return text === '-' ? null : text
}

function numberOrNull(text: string): number | null {
  return text === '-' ? null : Number(text)
}
