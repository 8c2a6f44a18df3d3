import { it } from 'vitest'
import { surviveHostileRequests } from '../connect/rest/hostile-requests.ts'

/** A hundred thousand take five minutes: MILLRACE_REST_FUZZ=100000. A thousand others run with `npm test`. */
const count = Number(process.env['MILLRACE_REST_FUZZ'] ?? 5_000)
const seed = Number(process.env['MILLRACE_REST_FUZZ_SEED'] ?? 7)

it(`answers ${count} hostile requests with refusals or answers, never with a stack (seed ${seed})`, () => surviveHostileRequests(count, seed), 1_800_000)
