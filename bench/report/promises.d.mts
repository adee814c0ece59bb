export const PROMISES: readonly { readonly promise: string; readonly from: readonly string[] }[];
