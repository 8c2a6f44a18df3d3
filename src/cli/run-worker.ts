/** What a thread of `millrace run --threads` begins with: modules are loaded as the command does it, TypeScript included. */
import { fileURLToPath } from 'node:url'
import { serveStreamThread } from '../streams/index.ts'
import { loadTopology } from './load-topology.ts'

await serveStreamThread((module) => loadTopology(fileURLToPath(module)))
