export { predicatePlugins } from './built-in-predicates.ts'
