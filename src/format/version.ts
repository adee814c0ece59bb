/** Version of this package, as written into manifests; a test compares it with package.json. */
export const TIDEMARK_VERSION = '0.1.0';
