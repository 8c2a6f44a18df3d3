import type { Herder } from '../runtime/herder/herder.ts'
import type { Peers } from '../runtime/herder/peers.ts'
import type { Endpoint } from './endpoint.ts'
import { readBody, taskConfigsBody } from './request-body.ts'

/** What workers of a cluster ask of their leader, signed; who else asks is refused (KIP-507, KIP-618). Whoever is not the leader says so: the signature would not go along. */
export function internalEndpoints(herder: Herder, peers: Peers): readonly Endpoint[] {
  return [
    {
      method: 'POST', path: '/connectors/:connector/tasks', summary: 'Takes the tasks that a connector planned on another worker.', isInternal: true, answers: { 200: 'They are kept' },
      handle: async ({ params, body, headers }) => {
        peers.requireSigned(headers, body)
        await herder.putTasks(params['connector']!, readBody(taskConfigsBody, body))
        return { status: 200, body: null }
      },
    },
    {
      method: 'PUT', path: '/connectors/:connector/fence', summary: 'Fences tasks of earlier plans of an exactly-once source.', isInternal: true, answers: { 200: 'They can write no more' },
      handle: async ({ params, body, headers }) => {
        peers.requireSigned(headers, body)
        await herder.fenceZombies(params['connector']!)
        return { status: 200, body: null }
      },
    },
  ]
}
