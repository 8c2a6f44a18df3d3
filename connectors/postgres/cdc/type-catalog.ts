/** What the database knows about types. A person may make one at any time, so they are asked for as they are met. */
import type { Client } from 'pg'
import { kindOfType, textType } from './column-value.ts'
import type { ColumnType } from './column-value.ts'

interface TypeRow {
  readonly oid: string
  readonly name: string
  /** b, c = composite, d = domain, e, p, r, m. */
  readonly class: string
  readonly base: string
  /** '0' for what is no array in braces. */
  readonly element: string
  readonly delimiter: string
  readonly fields: readonly { readonly name: string; readonly oid: number }[] | null
}

// int2vector and oidvector count as arrays, too, but are written without braces.
const typesQuery = `
  select t.oid::text as oid, t.typname as name, t.typtype as class, t.typbasetype::text as base, t.typdelim as delimiter,
         case when t.typcategory = 'A' and t.typname not in ('int2vector', 'oidvector') then t.typelem::text else '0' end as element,
         (select json_agg(json_build_object('name', a.attname, 'oid', a.atttypid::int8) order by a.attnum)
          from pg_attribute a where a.attrelid = t.typrelid and a.attnum > 0 and not a.attisdropped) as fields
  from pg_type t
  where t.oid = any ($1::oid[])`

export class TypeCatalog {
  readonly #known = new Map<number, ColumnType>()

  async typesOf(client: Client, oids: readonly number[]): Promise<readonly ColumnType[]> {
    const missing = [...new Set(oids)].filter((oid) => !this.#known.has(oid))
    if (missing.length > 0) {
      const { rows } = await client.query<TypeRow>(typesQuery, [missing])
      for (const row of rows) this.#known.set(Number(row.oid), await this.#typeOf(client, row))
    }
    return oids.map((oid) => this.#known.get(oid) ?? textType)
  }

  async #typeOf(client: Client, { oid, name, class: kind, base, element, delimiter, fields }: TypeRow): Promise<ColumnType> {
    const of = async (others: readonly number[]) => this.typesOf(client, others)
    if (kind === 'd') return (await of([Number(base)]))[0]!
    if (element !== '0') return { kind: 'array', element: (await of([Number(element)]))[0]!, delimiter }
    if (kind === 'c' && fields !== null) {
      const types = await of(fields.map((field) => field.oid))
      return { kind: 'composite', fields: fields.map((field, index) => ({ name: field.name, type: types[index]! })) }
    }
    return { kind: name === 'hstore' ? 'hstore' : kindOfType(Number(oid)) }
  }
}
