export const TEXT_SIZE: Readonly<Record<'title' | 'finding' | 'note' | 'label' | 'tick' | 'foot', number>>;
export function textWidth(text: string, size: number, isBold?: boolean): number;
