/** A column of each type, what is inserted into it, and what a record holds; the README of the connectors shows them as a table. */
export type TypeCase = readonly [type: string, sql: string, value: unknown]

export const typeCases: readonly TypeCase[] = [
  ['boolean', `true`, true],
  ['smallint', `-5`, -5],
  ['integer', `5`, 5],
  ['bigint', `9007199254740991`, 9007199254740991],
  ['oid', `7`, 7],
  ['real', `1.5`, 1.5],
  ['double precision', `0.1`, 0.1],
  ['double precision', `'NaN'`, 'NaN'],
  ['double precision', `'-Infinity'`, '-Infinity'],
  ['numeric', `12.340`, '12.340'],
  ['numeric(30,10)', `12345678901234567890.5`, '12345678901234567890.5000000000'],
  ['numeric', `'NaN'`, 'NaN'],
  ['numeric', `'-Infinity'`, '-Infinity'],
  ['money', `1.5`, '$1.50'],
  ['text', `'ä "q" \\'`, 'ä "q" \\'],
  ['varchar(9)', `'text'`, 'text'],
  ['char(3)', `'a'`, 'a  '],
  ['name', `'pg_class'`, 'pg_class'],
  ['bytea', `'\\x00ff'`, 'AP8='],
  ['uuid', `'0b0e2f3c-8f44-4c0a-9d4e-0a5d3f4c1b2a'`, '0b0e2f3c-8f44-4c0a-9d4e-0a5d3f4c1b2a'],
  ['timestamptz', `'2026-11-21 07:00:00.123456+02'`, '2026-11-21T05:00:00.123456Z'],
  ['timestamptz', `'infinity'`, 'infinity'],
  ['timestamptz', `'0044-03-15 12:00:00+00 BC'`, '0044-03-15 12:00:00+00 BC'],
  ['timestamp', `'2026-11-21 07:00:00.5'`, '2026-11-21T07:00:00.5'],
  ['timestamp', `'-infinity'`, '-infinity'],
  ['timestamp', `'0044-03-15 12:00:00 BC'`, '0044-03-15T12:00:00 BC'],
  ['date', `'2026-11-21'`, '2026-11-21'],
  ['date', `'infinity'`, 'infinity'],
  ['date', `'0044-03-15 BC'`, '0044-03-15 BC'],
  ['time', `'07:00:00.25'`, '07:00:00.25'],
  ['timetz', `'07:00:00+02'`, '07:00:00+02'],
  ['interval', `'1 day 2 hours'`, 'P1DT2H'],
  ['interval', `'-1 year 0.000001 seconds'`, 'P-1YT0.000001S'],
  ['json', `'{"a": 1}'`, '{"a": 1}'],
  ['jsonb', `'{"a":1}'`, '{"a": 1}'],
  ['xml', `'<a/>'`, '<a/>'],
  ['bit(3)', `'101'`, '101'],
  ['varbit', `'10'`, '10'],
  ['inet', `'10.0.0.1/8'`, '10.0.0.1/8'],
  ['cidr', `'10.0.0.0/8'`, '10.0.0.0/8'],
  ['macaddr', `'08:00:2b:01:02:03'`, '08:00:2b:01:02:03'],
  ['macaddr8', `'08:00:2b:01:02:03:04:05'`, '08:00:2b:01:02:03:04:05'],
  ['point', `'(1,2.5)'`, { x: 1, y: 2.5 }],
  ['point', `'(Infinity,0)'`, '(Infinity,0)'],
  ['line', `'{1,2,3}'`, '{1,2,3}'],
  ['lseg', `'[(0,0),(1,1)]'`, '[(0,0),(1,1)]'],
  ['box', `'(1,1),(0,0)'`, '(1,1),(0,0)'],
  ['path', `'((0,0),(1,1))'`, '((0,0),(1,1))'],
  ['polygon', `'((0,0),(1,1))'`, '((0,0),(1,1))'],
  ['circle', `'<(0,0),1>'`, '<(0,0),1>'],
  ['tsvector', `'a fat cat'`, `'a' 'cat' 'fat'`],
  ['tsquery', `'fat & cat'`, `'fat' & 'cat'`],
  ['pg_lsn', `'16/B374D848'`, '16/B374D848'],
  ['int4range', `'[1,5)'`, '[1,5)'],
  ['tstzrange', `'[2026-11-21 07:00+00,)'`, '["2026-11-21 07:00:00+00",)'],
  ['int4multirange', `'{[1,3),[5,8)}'`, '{[1,3),[5,8)}'],
  ['int2vector', `'1 2'`, '1 2'],
  ['hstore', `'a=>1, "b\\"c"=>NULL'`, { a: '1', 'b"c': null }],
  ['integer[]', `'{{1,2},{3,NULL}}'`, [[1, 2], [3, null]]],
  ['text[]', `array['a,b', 'q"', null, 'NULL', '', '\\']`, ['a,b', 'q"', null, 'NULL', '', '\\']],
  ['timestamptz[]', `'{2026-11-21 07:00:00+02}'`, ['2026-11-21T05:00:00Z']],
  ['bytea[]', `array['\\x00ff'::bytea]`, ['AP8=']],
  ['box[]', `'{(1,1),(0,0);(2,2),(1,1)}'`, ['(1,1),(0,0)', '(2,2),(1,1)']],
  ['point[]', `'{"(1,2)"}'`, [{ x: 1, y: 2 }]],
  ['enum', `'sad'`, 'sad'],
  ['enum[]', `'{sad}'`, ['sad']],
  ['domain', `3`, 3],
  ['domain[]', `'{3}'`, [3]],
  ['composite', `row(1, 'a "b", \\', null, row(true, '{1}'))`, { n: 1, t: 'a "b", \\', 'none': null, inner: { yes: true, list: [1] } }],
  ['composite[]', `array[row(true, '{1,2}')]::inner_parts[]`, [{ yes: true, list: [1, 2] }]],
]

/** The names that the table gives to types that somebody must make first. */
const made: Readonly<Record<string, string>> = { 'enum': 'mood', 'enum[]': 'mood[]', 'domain': 'positive', 'domain[]': 'positive[]', 'composite': 'parts', 'composite[]': 'inner_parts[]' }
const columnTypeOf = (name: string) => made[name] ?? name

/** Makes the types that the cases need. */
export const createTypes = `create extension hstore; create type mood as enum ('fine', 'sad'); create domain natural_number as int; create domain positive as natural_number check (value > 0);
  create type inner_parts as (yes boolean, list int[]); create type parts as (n positive, t text, "none" text, "inner" inner_parts)`

/** A table `t` with an `id` and a column for each case, `c0` and so on. */
export const createTypesTable = `create table t (id serial primary key, ${typeCases.map(([type], i) => `c${i} ${columnTypeOf(type)}`).join(', ')})`

export const insertTypes = `insert into t (${typeCases.map((_, i) => `c${i}`).join(', ')}) values (${typeCases.map(([, sql]) => sql).join(', ')})`

/** What a record of a row holds, but for `id`. */
export const typesInRecord: Readonly<Record<string, unknown>> = Object.fromEntries(typeCases.map(([, , value], i) => [`c${i}`, value]))
