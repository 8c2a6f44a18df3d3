const preloads: ReadonlySet<string> = new Set(['--import', '--require', '-r', '--loader', '--experimental-loader'])

/**
 * Of the arguments that Node itself was started with, those for modules that it loads before the program, such as one that registers a
 * tracer: a worker thread begins with them, too. What else is there is for the process, or says how modules are found, which is
 * settled by what a thread is started from.
 */
export function preloadArguments(nodeArguments: readonly string[]): string[] {
  const found: string[] = []
  for (const [index, argument] of nodeArguments.entries()) {
    if (preloads.has(argument)) found.push(argument, ...nodeArguments.slice(index + 1, index + 2))
    else if (preloads.has(argument.split('=', 1)[0]!)) found.push(argument)
  }
  return found
}
