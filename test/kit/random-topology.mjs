/** For worker threads: the topology of the experiment whose seed the module's address names (`?seed=7`). */
import { experimentOf } from '../../dist/test/kit/streams-differential.js'
import { topologyOf } from '../../dist/test/kit/streams-model-topology.js'

const seed = Number(new URL(import.meta.url).searchParams.get('seed'))
export default topologyOf(experimentOf(seed, 0).program)
