import { describe, expect, it } from 'vitest'
import { accessLogFormat } from '../../../../connectors/file/formats/access-log-format.ts'
import { csvFormat } from '../../../../connectors/file/formats/csv-format.ts'
import { parseFieldTypes, withTypes } from '../../../../connectors/file/formats/field-types.ts'
import { jsonFormat } from '../../../../connectors/file/formats/json-format.ts'
import { logfmtFormat } from '../../../../connectors/file/formats/logfmt-format.ts'
import { regexFormat } from '../../../../connectors/file/formats/regex-format.ts'
import { syslogFormat } from '../../../../connectors/file/formats/syslog-format.ts'
import type { LineFormat } from '../../../../connectors/file/formats/line-format.ts'

const valueOf = (format: LineFormat, text: string, header = '') => format.parse(text, header)?.value

describe('an access log', () => {
  it('gives the fields of the combined form, with escapes, times with zone and dashes as null', () => {
    const line = String.raw`203.0.113.9 - ann [21/Nov/2026:07:00:01 +0200] "GET /a?q=\"x\" HTTP/1.1" 404 512 "https://example.org/" "Mozilla/5.0 (X11)"`
    expect(valueOf(accessLogFormat, line)).toEqual({
      remoteHost: '203.0.113.9', ident: null, user: 'ann', time: Date.UTC(2026, 10, 21, 5, 0, 1), request: 'GET /a?q="x" HTTP/1.1', method: 'GET', path: '/a?q="x"', protocol: 'HTTP/1.1',
      status: 404, bytes: 512, referer: 'https://example.org/', userAgent: 'Mozilla/5.0 (X11)',
    })
  })

  it('gives the common form, and requests that are none', () => {
    expect(valueOf(accessLogFormat, String.raw`::1 - - [01/Jan/2026:00:00:00 -0330] "\x16\x03\x01" 400 -`)).toMatchObject({
      remoteHost: '::1', user: null, time: Date.UTC(2026, 0, 1, 3, 30), method: null, path: null, status: 400, bytes: null, referer: null, userAgent: null,
    })
  })

  it.each(['', 'GET / 200', '::1 - - [99/Foo/2026:00:00:00 +0000] "GET / HTTP/1.1" 200 1'])('refuses %j', (line) => {
    expect(() => valueOf(accessLogFormat, line)).toThrow(/access log/)
  })
})

describe('logfmt', () => {
  it('gives pairs, texts in quotes and keys without value', () => {
    expect(valueOf(logfmtFormat, String.raw`level=info msg="two \"words\"\n" took=3ms cached empty= url=/a?b=c`)).toEqual({
      level: 'info', msg: 'two "words"\n', took: '3ms', cached: true, empty: '', url: '/a?b=c',
    })
  })

  it('says where it stops to be logfmt', () => {
    expect(() => valueOf(logfmtFormat, 'a=1 b="open')).toThrow('not logfmt at character 4')
    expect(() => valueOf(logfmtFormat, '  ')).toThrow('holds no key')
  })
})

describe('syslog', () => {
  const format = syslogFormat(() => new Date(2026, 0, 2).getTime())

  it('gives the examples of RFC 5424', () => {
    expect(valueOf(format, '<34>1 2003-10-11T22:14:15.003Z mymachine.example.com su - ID47 - \uFEFF\'su root\' failed for lonvick on /dev/pts/8')).toEqual({
      facility: 4, severity: 2, version: 1, timestamp: Date.parse('2003-10-11T22:14:15.003Z'), host: 'mymachine.example.com', app: 'su', procId: null, msgId: 'ID47', structuredData: null,
      message: "'su root' failed for lonvick on /dev/pts/8",
    })
    expect(valueOf(format, String.raw`<165>1 2003-08-24T05:14:15.000003-07:00 192.0.2.1 myproc 8710 - [exampleSDID@32473 iut="3" event="App\"l\]"][b@1 p=""] hi`)).toMatchObject({
      timestamp: Date.parse('2003-08-24T12:14:15.000Z'), procId: '8710', structuredData: { 'exampleSDID@32473': { iut: '3', event: 'App"l]' }, 'b@1': { p: '' } }, message: 'hi',
    })
  })

  it('gives the older form, with and without priority, in the year that fits', () => {
    expect(valueOf(format, '<34>Oct 11 22:14:15 mymachine su: \'su root\' failed')).toMatchObject({ facility: 4, severity: 2, timestamp: new Date(2025, 9, 11, 22, 14, 15).getTime(), host: 'mymachine', app: 'su', message: "'su root' failed" })
    expect(valueOf(format, 'Jan  1 03:04:05 web01 sshd[4711]: Accepted publickey')).toMatchObject({ facility: null, timestamp: new Date(2026, 0, 1, 3, 4, 5).getTime(), app: 'sshd', procId: '4711', message: 'Accepted publickey' })
    expect(valueOf(format, '2026-01-01T03:04:05.5+01:00 web01 kernel: up')).toMatchObject({ timestamp: Date.parse('2026-01-01T02:04:05.500Z'), app: 'kernel' })
  })

  it.each(['hello', '<999>1 - - - - - -', 'Foo 11 22:14:15 host a: b'])('refuses %j', (line) => {
    expect(() => valueOf(format, line)).toThrow(/syslog/)
  })
})

describe('separated values', () => {
  const csv = csvFormat({ delimiter: ',', quote: '"', columns: undefined })

  it('names fields by the header, and reads quotes', () => {
    expect(valueOf(csv, '1,"a ""b"", c\nd",', 'id,"the name",note')).toEqual({ id: '1', 'the name': 'a "b", c\nd', note: '' })
    expect(valueOf(csv, '')).toBeUndefined()
  })

  it('refuses a line with other fields, a header that repeats a name, and broken quotes', () => {
    expect(() => valueOf(csv, '1,2', 'a,b,c')).toThrow('the line has 2 fields where 3 columns are expected (a, b, c)')
    expect(() => valueOf(csv, '1,2', 'a,a')).toThrow('the header names the column "a" twice')
    expect(() => valueOf(csv, '1,"x"y', 'a,b')).toThrow(/separated values/)
  })
})

describe('other formats', () => {
  it('JSON keeps whole numbers of any size', () => {
    expect(valueOf(jsonFormat, '{"id":9007199254740993,"n":[1,null]}')).toEqual({ id: 9007199254740993n, n: [1, null] })
    expect(valueOf(jsonFormat, ' ')).toBeUndefined()
    expect(() => valueOf(jsonFormat, '{"a":')).toThrow(/not JSON/)
  })

  it('a regular expression gives its named groups', () => {
    const format = regexFormat(String.raw`^(?<level>\w+) (?:\[(?<thread>\d+)\] )?(?<text>.*)$`)
    expect(valueOf(format, 'WARN [7] disk full')).toEqual({ level: 'WARN', thread: '7', text: 'disk full' })
    expect(valueOf(format, 'WARN disk full')).toEqual({ level: 'WARN', thread: null, text: 'disk full' })
    expect(() => valueOf(format, '--')).toThrow('does not match regex.pattern')
  })

  it('fields are read as their types say', () => {
    const types = parseFieldTypes(['n:int', 'big:int', 'f:float', 'ok:boolean', 'at:timestamp', 'extra:json', 'none:int'])
    const value = { n: '7', big: '9007199254740993', f: '0.5', ok: 'yes', at: '2026-11-21T00:00:00Z', extra: '{"a":1}', none: '', text: 'as it is' }
    expect(withTypes(value, types)).toEqual({ n: 7, big: 9007199254740993n, f: 0.5, ok: true, at: Date.UTC(2026, 10, 21), extra: { a: 1 }, none: null, text: 'as it is' })
    expect(() => withTypes({ n: 'x' }, types)).toThrow('the field n holds "x", which is no int')
    expect(() => parseFieldTypes(['n:integer'])).toThrow('n:integer is no name:type')
  })
})
