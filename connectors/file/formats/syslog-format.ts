/** Lines of syslog: RFC 5424, or the older BSD form that RFC 3164 describes, with or without its priority as files have it. */
import { dataError } from 'millrace/connect'
import { months } from './access-log-format.ts'
import { objectFormat } from './line-format.ts'
import type { LineFormat } from './line-format.ts'

const dayMs = 86_400_000
const rfc5424 = /^<(\d{1,3})>(\d{1,2}) (\S+) (\S+) (\S+) (\S+) (\S+) (-|(?:\[(?:[^"\]]|"(?:[^"\\]|\\.)*")*\])+)(?: (.*))?$/su
const rfc3164 = /^(?:<(\d{1,3})>)?(?:([A-Z][a-z]{2}) {1,2}(\d{1,2}) (\d{2}):(\d{2}):(\d{2})|(\d{4}-\d\d-\d\dT\S+)) (\S+) (?:([^\s:[]{1,64})(?:\[([^\]]*)\])?: ?)?(.*)$/su
const element = /\[([^\s="\]]+)((?: [^\s="\]]+="(?:[^"\\]|\\.)*")*)\]/guy
const parameter = /([^\s="\]]+)="((?:[^"\\]|\\.)*)"/gu

/** `timestamp` is in milliseconds since the epoch. @param now for lines that name no year */
export function syslogFormat(now: () => number): LineFormat {
  return objectFormat((text) => {
    const modern = rfc5424.exec(text)
    if (modern !== null) return modernFields(modern)
    const old = rfc3164.exec(text)
    if (old !== null) return oldFields(old, now())
    throw dataError('not a line of syslog: neither <priority>1 time host app … (RFC 5424) nor Mmm dd hh:mm:ss host tag: … (RFC 3164)')
  })
}

function modernFields([, priority, version, time, host, app, procId, msgId, structured, message = '']: RegExpExecArray): Readonly<Record<string, unknown>> {
  return {
    ...priorityFields(priority),
    version: Number(version),
    timestamp: time === '-' ? null : isoTime(time!),
    host: orNull(host!),
    app: orNull(app!),
    procId: orNull(procId!),
    msgId: orNull(msgId!),
    structuredData: structured === '-' ? null : structuredData(structured!),
    message: message.startsWith('\uFEFF') ? message.slice(1) : message,
  }
}

function oldFields([, priority, month, day, hour, minute, second, iso, host, app, procId, message = '']: RegExpExecArray, nowMs: number): Readonly<Record<string, unknown>> {
  const timestamp = iso === undefined ? withoutYear([month!, day!, hour!, minute!, second!], nowMs) : isoTime(iso)
  return { ...priorityFields(priority), version: null, timestamp, host: host!, app: app ?? null, procId: procId ?? null, msgId: null, structuredData: null, message }
}

function priorityFields(text: string | undefined): { facility: number | null; severity: number | null } {
  if (text === undefined) return { facility: null, severity: null }
  const priority = Number(text)
  if (priority > 191) throw dataError(`<${text}> is no priority of syslog: 0 to 191 is expected`)
  return { facility: priority >> 3, severity: priority & 7 }
}

function isoTime(text: string): number {
  const value = Date.parse(text)
  if (Number.isNaN(value)) throw dataError(`${text} is no time as syslog has it, such as 2026-11-21T06:00:00.123Z`)
  return value
}

/** Local time of this machine, in the year that makes it the latest moment up to a day from now. */
function withoutYear([monthName, day, hour, minute, second]: readonly [string, string, string, string, string], nowMs: number): number {
  const month = months.indexOf(monthName as (typeof months)[number])
  if (month < 0) throw dataError(`${monthName} is no month as syslog has it: Jan, Feb, …`)
  const inYear = (year: number) => new Date(year, month, Number(day), Number(hour), Number(minute), Number(second)).getTime()
  const year = new Date(nowMs).getFullYear()
  const candidate = [inYear(year + 1), inYear(year)].find((time) => time <= nowMs + dayMs)
  return candidate ?? inYear(year - 1)
}

function structuredData(text: string): Readonly<Record<string, unknown>> {
  const elements = [...text.matchAll(element)]
  if (elements.reduce((length, [whole]) => length + whole.length, 0) !== text.length) throw dataError(`${text} is no structured data of syslog: [id name="value"] is expected`)
  return Object.fromEntries(elements.map(([, id, parameters]) => [id!, Object.fromEntries([...parameters!.matchAll(parameter)].map(([, name, value]) => [name!, value!.replace(/\\(["\\\]])/gu, '$1')]))]))
}

function orNull(text: string): string | null {
  return text === '-' ? null : text
}
