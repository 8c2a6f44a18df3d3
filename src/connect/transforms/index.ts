export { transformPlugins } from './built-in-transforms.ts'
