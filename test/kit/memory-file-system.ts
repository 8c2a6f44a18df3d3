export * from '../../src/core/testing/memory-file-system.ts'
