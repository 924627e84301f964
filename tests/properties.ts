/**
 * Runs before every test file: a property that names the largest size of something gets things of that size. By itself
 * fast-check would stop at about ten elements, whatever the property says.
 */
import fc from 'fast-check'

fc.configureGlobal({ defaultSizeToMaxWhenMaxSpecified: true })
