/** Who may import whom, as rules of dependency-cruiser. The README draws the same picture. */

/** Folders, and the other folders that each may import. Parts meet at the journal and the bus, never by importing each other. */
const MAY_IMPORT = {
  contract: [],
  storage: ['contract'],
  broker: ['contract', 'storage'],
  ingest: ['contract', 'storage'],
  api: ['contract', 'storage'],
  simulator: ['contract'],
  dashboards: ['contract'],
}
const FOLDERS = Object.keys(MAY_IMPORT)
/** What runs in production: everything but the dashboards, which are built, and the tests. */
const SHIPPED = FOLDERS.filter((folder) => folder !== 'dashboards')

const walls = Object.entries(MAY_IMPORT).map(([folder, allowed]) => ({
  name: `${folder}-imports-${allowed.length === 0 ? 'nothing-of-ours' : allowed.join('-and-')}`,
  severity: 'error',
  from: { path: `^${folder}/` },
  to: {
    path: `^(${[...FOLDERS, 'main', 'tests'].filter((other) => other !== folder && !allowed.includes(other)).join('|')})(/|\\.ts$)`,
  },
}))

module.exports = {
  forbidden: [
    ...walls,
    {
      name: 'main-imports-no-dashboards-and-no-tests',
      severity: 'error',
      from: { path: '^main\\.ts$' },
      to: { path: '^(dashboards|tests)/' },
    },
    {
      name: 'contract-imports-only-typebox',
      comment: 'It also runs in the browser. generate.ts is the script that writes its files.',
      severity: 'error',
      from: { path: '^contract/', pathNot: '^contract/generate\\.ts$' },
      to: { pathNot: '^(contract/|node_modules/typebox/)' },
    },
    {
      name: 'parts-are-entered-by-their-start',
      comment: 'The view shares tables with the contract alone; what the API speaks is the contract.',
      severity: 'error',
      from: { path: '^dashboards/view/' },
      to: { path: '^dashboards/grafana/' },
    },
    {
      name: 'shipped-code-imports-no-development-package',
      severity: 'error',
      // The workers (telemetry store, revocation lists, history) and the load processes are started from their sources by these files in development only.
      from: {
        path: `^(${SHIPPED.join('|')})/|^main\\.ts$`,
        pathNot: '((tables|lists|history)-worker|load-process)-source\\.mjs$',
      },
      to: { dependencyTypes: ['npm-dev', 'npm-no-pkg', 'npm-unknown'], dependencyTypesNot: ['type-only', 'npm'] },
    },
    {
      name: 'no-cycles',
      severity: 'error',
      from: {},
      to: { circular: true, viaOnly: { dependencyTypesNot: ['type-only'] } },
    },
    { name: 'every-import-resolves', severity: 'error', from: {}, to: { couldNotResolve: true, pathNot: '\\.css$' } },
  ],
  options: {
    doNotFollow: { path: 'node_modules' },
    exclude: { path: '(^|/)(dist|data)/' },
    tsPreCompilationDeps: true,
    enhancedResolveOptions: {
      exportsFields: ['exports'],
      conditionNames: ['import', 'node', 'default', 'types'],
      extensions: ['.ts', '.mts', '.js', '.mjs', '.vue', '.json', '.d.ts'],
      mainFields: ['main', 'types'],
    },
  },
}
