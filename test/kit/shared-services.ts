/**
 * One instance of a real service for a whole test run, started when the first test file asks for it.
 *
 *   vitest's main process: serveShared({ postgres: start, … }) ◄─ socket ─ test file: askForShared(port, 'postgres')
 *
 * The main process owns the service, so it outlives the test file that asked first and ends with the run.
 */
import { connect, createServer } from 'node:net'
import type { AddressInfo, Socket } from 'node:net'
import { text } from 'node:stream/consumers'

/** Starts the service, or throws an error whose message says why it cannot be had. What it returns besides `stop` must survive JSON. */
export type StartService<Address> = () => Promise<Address & { stop(): Promise<void> }>

export type SharedService<Address> =
  | { readonly kind: 'available'; readonly address: Address }
  | { readonly kind: 'unavailable'; readonly reason: string }

export interface SharedServices {
  /** The TCP port on the loopback address at which test files ask. */
  readonly port: number
  /** Stops every service that was started. */
  close(): Promise<void>
}

export async function serveShared(starters: Readonly<Record<string, StartService<object>>>): Promise<SharedServices> {
  const started = new Map<string, ReturnType<StartService<object>>>()
  const answer = async (name: string): Promise<SharedService<object>> => {
    const start = starters[name]
    if (start === undefined) return { kind: 'unavailable', reason: `no service is called ${name}` }
    const service = started.get(name) ?? start()
    started.set(name, service)
    return service.then((address) => ({ kind: 'available', address }), unavailable)
  }
  const server = createServer((socket) => void reply(socket, answer))
  await new Promise<void>((resolve, reject) => server.once('error', reject).listen(0, '127.0.0.1', resolve))
  server.unref()
  const close = async () => {
    server.close()
    await Promise.allSettled([...started.values()].map(async (service) => (await service).stop()))
  }
  return { port: (server.address() as AddressInfo).port, close }
}

async function reply(socket: Socket, answer: (name: string) => Promise<object>): Promise<void> {
  socket.on('error', () => undefined) // a test file that died no longer needs the answer
  socket.once('data', (name) => void answer(name.toString()).then((found) => socket.end(JSON.stringify(found))))
}

export async function askForShared<Address>(port: number, name: string): Promise<SharedService<Address>> {
  const socket = connect({ port, host: '127.0.0.1' })
  socket.write(name)
  return JSON.parse(await text(socket)) as SharedService<Address>
}

export function unavailable(error: unknown): { kind: 'unavailable'; reason: string } {
  return { kind: 'unavailable', reason: error instanceof Error ? error.message : String(error) }
}
