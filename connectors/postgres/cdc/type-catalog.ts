/** What the database knows about types. A person may make one at any time, so they are asked for as they are met. */
import type { Client } from 'pg'
import { kindOfType, textType } from './column-value.ts'
import type { ColumnType } from './column-value.ts'

/** What the catalog says of a type. */
export interface TypeFacts {
  readonly name: string
  /** b, c = composite, d = domain, e, p, r, m. */
  readonly class: string
  /** Of a domain: that of the type that it is made of; -1: none. */
  readonly modifier: number
  /** Of an enum, in order. */
  readonly labels: readonly string[] | null
}

/** A type that is no domain, with its length or precision; -1: none. */
export interface BaseType {
  readonly oid: number
  readonly modifier: number
  readonly facts: TypeFacts | undefined
  /** Of an array. */
  readonly element: BaseType | null
}

interface TypeRow extends TypeFacts {
  readonly oid: string
  readonly base: string
  /** '0' for what is no array in braces. */
  readonly element: string
  readonly delimiter: string
  readonly fields: readonly { readonly name: string; readonly oid: number }[] | null
}

// int2vector and oidvector count as arrays, too, but are written without braces.
const typesQuery = `
  select t.oid::text as oid, t.typname as name, t.typtype as class, t.typbasetype::text as base, t.typdelim as delimiter, t.typtypmod as modifier,
         (select json_agg(e.enumlabel order by e.enumsortorder) from pg_enum e where e.enumtypid = t.oid) as labels,
         case when t.typcategory = 'A' and t.typname not in ('int2vector', 'oidvector') then t.typelem::text else '0' end as element,
         (select json_agg(json_build_object('name', a.attname, 'oid', a.atttypid::int8) order by a.attnum)
          from pg_attribute a where a.attrelid = t.typrelid and a.attnum > 0 and not a.attisdropped) as fields
  from pg_type t
  where t.oid = any ($1::oid[])`

export class TypeCatalog {
  readonly #known = new Map<number, ColumnType>()
  readonly #rows = new Map<number, TypeRow>()

  async typesOf(client: Client, oids: readonly number[]): Promise<readonly ColumnType[]> {
    const missing = [...new Set(oids)].filter((oid) => !this.#known.has(oid))
    if (missing.length > 0) {
      const { rows } = await client.query<TypeRow>(typesQuery, [missing])
      for (const row of rows) this.#rows.set(Number(row.oid), row)
      for (const row of rows) this.#known.set(Number(row.oid), await this.#typeOf(client, row))
    }
    return oids.map((oid) => this.#known.get(oid) ?? textType)
  }

  /** Of a type that `typesOf` was asked for. */
  baseOf(oid: number, modifier: number): BaseType {
    const facts = this.#rows.get(oid)
    if (facts?.class === 'd') return this.baseOf(Number(facts.base), facts.modifier)
    return { oid, modifier, facts, element: facts === undefined || facts.element === '0' ? null : this.baseOf(Number(facts.element), modifier) }
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
