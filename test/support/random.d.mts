export function createRandom(seed: number): { float(): number; int(below: number): number };
