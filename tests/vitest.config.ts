import { defineConfig } from 'vitest/config'

const shared = {
  root: new URL('..', import.meta.url).pathname,
  pool: 'forks',
  testTimeout: 30_000,
  hookTimeout: 60_000,
  teardownTimeout: 20_000,
  // A test that is skipped or focused by mistake is a failure, not a pass.
  allowOnly: false,
  passWithNoTests: false,
} as const

export default defineConfig({
  test: {
    ...shared,
    projects: [
      {
        test: {
          ...shared,
          name: 'parts',
          include: ['tests/**/*.test.ts'],
          setupFiles: ['tests/properties.ts'],
          exclude: ['tests/platform/**'],
          maxWorkers: 2,
          sequence: { groupOrder: 0 },
        },
      },
      // The whole program takes both cores; one after another, and after the rest.
      {
        test: {
          ...shared,
          name: 'platform',
          include: ['tests/platform/*.test.ts'],
          fileParallelism: false,
          maxWorkers: 1,
          sequence: { groupOrder: 1 },
        },
      },
    ],
  },
})
