/* code.js - colours for code. The library is loaded when the first listing is complete. */
import { cleanColours } from './sanitize.js';

const LONGEST = 60000; // characters: beyond, colours cost more than they help
let library = null;

export async function highlight(code, language) {
    if (!language || code.textContent.length > LONGEST) return;
    library ??= import('../lib/highlight.js').then(() => {
        globalThis.hljs.configure({ hideUpgradeWarningAcceptNoSupportOrSecurityUpdates: true }); // Debian keeps this version
        return globalThis.hljs;
    });
    const hljs = await library.catch(() => {
        library = null;
        return null;
    });
    if (!hljs || !hljs.getLanguage(language)) return;
    const { value } = hljs.highlight(language, code.textContent, true);
    code.replaceChildren(cleanColours(value));
}
