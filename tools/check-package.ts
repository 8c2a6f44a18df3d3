/**
 * npm run check:package
 *
 * Packs what was built, installs it into an empty project, and there imports every entry point, with its types, and runs the
 * command.
 */
import { createRequire } from 'node:module'
import { installPackage } from '../test/kit/installed-package.ts'

const project = await installPackage()
try {
  const compiler = createRequire(import.meta.url).resolve('typescript/bin/tsc')
  project.write('import-all.ts', project.entryPoints.map((name, index) => `import * as entry${index} from '${name}'\nconsole.log('${name}', Object.keys(entry${index}).length)\n`).join(''))
  await project.run(process.execPath, [compiler, '--module', 'nodenext', '--target', 'es2023', '--strict', '--types', '', '--lib', 'es2023,dom', 'import-all.ts'])
  process.stdout.write(await project.run(process.execPath, ['import-all.js']))
  process.stdout.write(`millrace ${await project.run('npx', ['--no-install', 'millrace', '--version'])}`)
} finally {
  project.remove()
}
