/** For the threads of `streams-threads.ts`: each loads its topology itself. */
import { windowedProgram } from './reference-programs.ts'

export default windowedProgram()
