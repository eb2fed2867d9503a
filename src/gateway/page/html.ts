export const html = '';
