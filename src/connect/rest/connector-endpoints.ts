import type { Herder } from '../runtime/herder/herder.ts'
import { notFound } from '../runtime/herder/refusal.ts'
import { accepted, done, isTrue, ok } from './endpoint.ts'
import type { Endpoint, RestRequest } from './endpoint.ts'
import { configBody, createBody, offsetsBody, readBody } from './request-body.ts'
import { RestError } from './rest-error.ts'

const targets = { RUNNING: 'STARTED', PAUSED: 'PAUSED', STOPPED: 'STOPPED' } as const

/** The path of a connector, with only what cannot stand in one encoded: `a/b` stays readable, as upstream. */
function location(base: string, name: string): string {
  return `${base}/connectors/${encodeURI(name).replace(/[?#]/g, encodeURIComponent)}`
}

const nameOf = ({ params }: RestRequest): string => params['connector']!

/** A number of a task; what is none is no path, as upstream. */
function taskOf({ params }: RestRequest): number {
  const text = params['task']!
  if (!/^-?\d{1,9}$/.test(text)) throw new RestError(404, 'HTTP 404 Not Found')
  return Number(text)
}

/** The endpoints of upstream's ConnectorsResource that look at connectors and change them. */
export function connectorEndpoints(herder: Herder): readonly Endpoint[] {
  return [
    {
      method: 'GET', path: '/connectors', summary: 'Lists connectors.', query: { expand: 'info, status, or both: what to tell of each' }, answers: { 200: 'Names, or an object by name when expand is given' },
      handle: async ({ queryAll }) => ok(queryAll('expand').length === 0 ? herder.names() : await expanded(herder, queryAll('expand'))),
    },
    {
      method: 'POST', path: '/connectors', summary: 'Makes a connector.', body: createBody, isForwarded: true, answers: { 201: 'It was made', 400: 'The config is wrong', 409: 'There is one of that name' },
      handle: async ({ body, base }) => {
        const { name, config, initial_state: state } = readBody(createBody, body)
        const own = (name ?? '').trim()
        const info = await herder.create({ name: own, config }, state && targets[state])
        return { status: 201, body: info, headers: { location: location(base, info.name) } }
      },
    },
    { method: 'GET', path: '/connectors/:connector', summary: 'Tells config, tasks and type.', answers: { 200: 'Them', 404: 'There is none of that name' }, handle: async (request) => ok(await herder.info(nameOf(request))) },
    {
      method: 'DELETE', path: '/connectors/:connector', summary: 'Stops a connector and forgets it; its offsets stay.', isForwarded: true, answers: { 204: 'Done', 404: 'There is none of that name' },
      handle: async (request) => { await herder.remove(nameOf(request)); return done },
    },
    { method: 'GET', path: '/connectors/:connector/config', summary: 'Tells the config as it was given.', answers: { 200: 'It', 404: 'There is none of that name' }, handle: (request) => ok(herder.config(nameOf(request))) },
    {
      method: 'PUT', path: '/connectors/:connector/config', summary: 'Makes a connector or replaces its config.', body: configBody, isForwarded: true, answers: { 200: 'It was changed', 201: 'It was made', 400: 'The config is wrong' },
      handle: async (request) => {
        const { created, info } = await herder.put({ name: nameOf(request), config: readBody(configBody, request.body) })
        return created ? { status: 201, body: info, headers: { location: location(request.base, info.name) } } : ok(info)
      },
    },
    {
      method: 'PATCH', path: '/connectors/:connector/config', summary: 'Changes what is named; null takes a key away.', body: configBody, isForwarded: true, answers: { 200: 'It was changed', 400: 'The config is wrong', 404: 'There is none of that name' },
      handle: async (request) => ok(await herder.patch(nameOf(request), readBody(configBody, request.body))),
    },
    { method: 'GET', path: '/connectors/:connector/status', summary: 'Tells what the connector and its tasks do.', answers: { 200: 'It', 404: 'Nothing is known yet' }, handle: async (request) => ok(await herder.status(nameOf(request))) },
    { method: 'GET', path: '/connectors/:connector/tasks', summary: 'Tells the configs of the tasks.', answers: { 200: 'Them', 404: 'There is none of that name' }, handle: (request) => ok(herder.tasks(nameOf(request))) },
    { method: 'GET', path: '/connectors/:connector/tasks/:task/status', summary: 'Tells what one task does.', answers: { 200: 'It', 404: 'Nothing is known' }, handle: (request) => ok(herder.taskStatus(nameOf(request), taskOf(request))) },
    ...stateEndpoints(herder),
    ...offsetEndpoints(herder),
  ]
}

async function expanded(herder: Herder, expand: readonly string[]): Promise<Readonly<Record<string, unknown>>> {
  const found: [string, unknown][] = []
  for (const name of herder.names()) {
    // one that goes, or has no status yet, is left out as upstream does
    try {
      found.push([name, { ...(expand.includes('info') && { info: await herder.info(name) }), ...(expand.includes('status') && { status: await herder.status(name) }) }])
    } catch (error) {
      if ((error as { readonly details?: { readonly httpStatus?: unknown } }).details?.httpStatus !== 404) throw error
    }
  }
  return Object.fromEntries(found)
}

function stateEndpoints(herder: Herder): readonly Endpoint[] {
  const setTarget = (verb: 'pause' | 'resume', target: 'PAUSED' | 'STARTED', summary: string): Endpoint => ({
    method: 'PUT', path: `/connectors/:connector/${verb}`, summary, answers: { 202: 'It will', 404: 'There is none of that name' },
    handle: async (request) => { await herder.setTarget(nameOf(request), target); return accepted() },
  })
  return [
    setTarget('pause', 'PAUSED', 'Lets the tasks rest; they keep what they own.'),
    setTarget('resume', 'STARTED', 'Lets a paused or stopped connector go on.'),
    {
      method: 'PUT', path: '/connectors/:connector/stop', summary: 'Ends the tasks; the config stays, and offsets can be changed.', isForwarded: true, answers: { 204: 'Done', 404: 'There is none of that name' },
      handle: async (request) => { await herder.setTarget(nameOf(request), 'STOPPED'); return done },
    },
    {
      method: 'POST', path: '/connectors/:connector/restart', summary: 'Restarts the connector, and its tasks if asked.', isForwarded: true,
      query: { includeTasks: 'true: its tasks, too', onlyFailed: 'true: only what has failed' }, answers: { 202: 'What is going to be restarted', 204: 'The connector alone was restarted', 404: 'There is none of that name' },
      handle: async (request) => {
        const wanted = { includeTasks: isTrue(request.query['includeTasks']), onlyFailed: isTrue(request.query['onlyFailed']) }
        if (wanted.includeTasks || wanted.onlyFailed) return accepted(await herder.restart(nameOf(request), wanted))
        await herder.restartConnector(nameOf(request))
        return done
      },
    },
    {
      method: 'POST', path: '/connectors/:connector/tasks/:task/restart', summary: 'Restarts one task.', isForwarded: true, answers: { 204: 'Done', 404: 'There is no such task' },
      handle: async (request) => { await herder.restartTask(nameOf(request), taskOf(request)); return done },
    },
  ]
}

function offsetEndpoints(herder: Herder): readonly Endpoint[] {
  const path = '/connectors/:connector/offsets'
  return [
    { method: 'GET', path, summary: 'Tells how far the connector is.', answers: { 200: 'Its offsets', 404: 'There is none of that name' }, handle: async (request) => ok({ offsets: await herder.offsets(nameOf(request)) }) },
    {
      method: 'PATCH', path, summary: 'Changes offsets of a stopped connector; null takes one back to the beginning.', body: offsetsBody, isForwarded: true, answers: { 200: 'Done', 400: 'The connector is not stopped, or the offsets are wrong', 404: 'There is none of that name' },
      handle: async (request) => {
        const { offsets } = readBody(offsetsBody, request.body)
        return ok({ message: await herder.alterOffsets(nameOf(request), offsets) })
      },
    },
    {
      method: 'DELETE', path, summary: 'Takes a stopped connector back to the beginning.', isForwarded: true, answers: { 200: 'Done', 400: 'The connector is not stopped', 404: 'There is none of that name' },
      handle: async (request) => ok({ message: await herder.resetOffsets(nameOf(request)) }),
    },
  ]
}

/** Which topics connectors use (KIP-558), as far as the worker's config lets people see and reset it. */
export function topicEndpoints(herder: Herder, allows: { readonly tracking: boolean; readonly reset: boolean }): readonly Endpoint[] {
  const forbid = (message: string) => { throw new RestError(403, message) }
  return [
    {
      method: 'GET', path: '/connectors/:connector/topics', summary: 'Tells the topics that the connector has used since it was made or they were reset.', answers: { 200: 'Them; none for an unknown connector', 403: 'The worker does not track topics' },
      handle: (request) => {
        if (!allows.tracking) forbid('Topic tracking is disabled.')
        return ok({ [nameOf(request)]: { topics: herder.topics(nameOf(request)) } })
      },
    },
    {
      method: 'PUT', path: '/connectors/:connector/topics/reset', summary: 'Forgets the topics; those in use come back.', answers: { 202: 'It will', 403: 'The worker does not allow it' },
      handle: async (request) => {
        if (!allows.tracking) forbid('Topic tracking is disabled.')
        if (!allows.reset) forbid('Topic tracking reset is disabled.')
        await herder.resetTopics(nameOf(request))
        return accepted()
      },
    },
  ]
}

/** A connector that there is, for endpoints of our own. @throws 404 */
export function requireConnector(herder: Herder, name: string): void {
  if (!herder.names().includes(name)) throw notFound(`Connector ${name} not found`)
}
