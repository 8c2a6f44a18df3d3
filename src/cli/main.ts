#!/usr/bin/env node
import { runConsole } from './run-console.ts'
import { processTerminal } from './terminal.ts'

process.exitCode = await runConsole(process.argv.slice(2), processTerminal(process))
