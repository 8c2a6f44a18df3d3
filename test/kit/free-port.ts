import { createServer } from 'node:net'
import type { AddressInfo } from 'node:net'

/** Of the loopback address, at which nobody listens now. */
export async function freePort(): Promise<number> {
  const [port] = await freePorts(1)
  return port!
}

/** All probes stay open until every port is known, or the system might hand one out twice. */
export async function freePorts(count: number): Promise<number[]> {
  const probes = Array.from({ length: count }, () => createServer())
  await Promise.all(probes.map((probe) => new Promise<void>((resolve, reject) => probe.once('error', reject).listen(0, '127.0.0.1', resolve))))
  const ports = probes.map((probe) => (probe.address() as AddressInfo).port)
  await Promise.all(probes.map((probe) => new Promise((resolve) => probe.close(resolve))))
  return ports
}
