import { option } from 'millrace/connect'
import type { Password } from 'millrace/connect'
import { z } from 'zod'

/** How the database is reached. */
export const connectionOptions = {
  'connection.url': option.password({
    doc: 'postgres://user:password@host:port/database; options such as ?sslmode=require follow. A jdbc: in front is let through.',
    check: z.custom((url) => isPostgresUrl((url as Password).reveal()), 'connection.url must begin with postgres:// or postgresql://'),
  }),
  'connection.user': option.string({ doc: 'The user, where the URL names none.', default: null }),
  'connection.password': option.password({ doc: 'The password, where the URL has none.', default: null }),
  'connection.timeout.ms': option.int({ doc: 'How long a connection may take to be made.', default: 10_000, check: z.number().min(1) }),
  'statement.timeout.ms': option.int({ doc: 'How long one statement may take before it is ended and the batch tried again. 0: as long as it takes.', default: 60_000, check: z.number().min(0) }),
}

/** What a config provider is still to fill in is for later. */
function isPostgresUrl(url: string): boolean {
  return /^(jdbc:)?postgres(ql)?:/.test(url) || url.startsWith('${')
}
