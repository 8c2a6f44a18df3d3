import { it } from 'vitest'
import { surviveHostileRequests } from '../connect/rest/hostile-requests.ts'

/** The fault runs ask more often (test/faults/connect-rest.test.ts). */
const count = 1000
const seed = 20_261_121

it(`answers every one of ${count} hostile requests with a refusal of a kind or an answer, never with a stack (seed ${seed})`, () => surviveHostileRequests(count, seed), 120_000)
