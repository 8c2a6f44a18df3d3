/**
 * npm run check:package
 *
 * Packs what was built, installs it into an empty project, and there imports every entry point, with its types, and runs the
 * command.
 */
import { fileURLToPath } from 'node:url'
import { installPackage } from '../test/kit/installed-package.ts'

const project = await installPackage()
try {
  const compiler = fileURLToPath(new URL('../node_modules/typescript/bin/tsc', import.meta.url))
  project.write('import-all.ts', project.entryPoints.map((name, index) => `import * as entry${index} from '${name}'\nconsole.log('${name}', Object.keys(entry${index}).length)\n`).join(''))
  await project.run(process.execPath, [compiler, '--module', 'nodenext', '--target', 'es2023', '--strict', '--types', 'node', '--lib', 'es2023', 'import-all.ts'])
  process.stdout.write(await project.run(process.execPath, ['import-all.js']))
  process.stdout.write(`millrace ${await project.run('npx', ['--no-install', 'millrace', '--version'])}`)
} finally {
  project.remove()
}
