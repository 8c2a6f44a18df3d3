/** Of the plugins that come with the package, and of the worker. */
export const packageVersion = '0.1.0'
