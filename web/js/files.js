/* files.js - attachments: text as it is, PDF through the server. Everything ends as text in the prompt. */
import { documentText } from './server.js';
import { t, number } from './text.js';

export const FILES_LIMIT = 50;
const TEXT_LIMIT = 10 << 20; // bytes
const PDF_LIMIT = 32 << 20;

const megabytes = (bytes) => `${number(bytes >> 20)} MB`;

async function isPdf(file) {
    return (await file.slice(0, 5).text()) === '%PDF-';
}

/* UTF-8, UTF-16 with its mark, or GB 18030, which has a text for nearly everything and so comes last. */
function decode(bytes) {
    const mark = bytes.length > 1 ? (bytes[0] << 8) | bytes[1] : 0;
    if (mark === 0xfffe) return new TextDecoder('utf-16le').decode(bytes);
    if (mark === 0xfeff) return new TextDecoder('utf-16be').decode(bytes);
    if (bytes.subarray(0, 8192).includes(0)) return null;
    for (const encoding of ['utf-8', 'gb18030']) {
        try {
            return new TextDecoder(encoding, { fatal: true }).decode(bytes);
        } catch {
            /* the next one */
        }
    }
    return null;
}

/** { name, text }, or an error whose message is for the user. `offers`: what the server says it can do. */
export async function readFile(file, offers) {
    const { name } = file;
    if (await isPdf(file)) {
        if (!offers?.documents?.pdf) throw new Error(t('fileNoPdf', { name }));
        if (file.size > PDF_LIMIT) throw new Error(t('fileTooLarge', { name, limit: megabytes(PDF_LIMIT) }));
        const { text } = await documentText(file).catch((error) => {
            throw new Error(t('fileBad', { name, reason: error.message || t('unreachable') }));
        });
        if (!text.trim()) throw new Error(t('fileEmpty', { name }));
        return { name, text };
    }
    if (file.size > TEXT_LIMIT) throw new Error(t('fileTooLarge', { name, limit: megabytes(TEXT_LIMIT) }));
    const text = decode(new Uint8Array(await file.arrayBuffer()));
    if (text === null) throw new Error(t('fileNotText', { name }));
    if (!text.trim()) throw new Error(t('fileEmpty', { name }));
    return { name, text };
}
