/* zip.js - one file out of a ZIP archive, as services hand out exports. Whoever wrote the archive is not trusted: every place is
 * checked against its bounds, and what unpacks to too much is refused. */
const END = 0x06054b50;
const ENTRY = 0x02014b50;
const LIMIT = 1 << 30; // bytes, unpacked

/* The record behind all others; a comment may follow it. */
function findEnd(view) {
    for (let at = view.byteLength - 22; at >= 0 && at > view.byteLength - 65558; at--) if (view.getUint32(at, true) === END) return at;
    return -1;
}

function* entriesOf(view) {
    const end = findEnd(view);
    if (end < 0) return;
    let at = view.getUint32(end + 16, true);
    for (let left = view.getUint16(end + 10, true); left > 0 && at + 46 <= view.byteLength && view.getUint32(at, true) === ENTRY; left--) {
        const nameLength = view.getUint16(at + 28, true);
        const next = at + 46 + nameLength + view.getUint16(at + 30, true) + view.getUint16(at + 32, true);
        if (next > view.byteLength) return;
        const name = new TextDecoder().decode(new Uint8Array(view.buffer, view.byteOffset + at + 46, nameLength));
        yield { name, method: view.getUint16(at + 10, true), bytes: view.getUint32(at + 20, true), place: view.getUint32(at + 42, true) };
        at = next;
    }
}

async function unpack(packed, method) {
    if (method === 0) return packed.text();
    if (method !== 8) throw new Error('an unknown method of packing');
    const reader = packed.stream().pipeThrough(new DecompressionStream('deflate-raw')).getReader();
    const decoder = new TextDecoder();
    let text = '';
    let bytes = 0;
    while (true) {
        const { value, done } = await reader.read();
        if (done) return text + decoder.decode();
        bytes += value.byteLength;
        if (bytes > LIMIT) throw new Error('it unpacks to too much');
        text += decoder.decode(value, { stream: true });
    }
}

export async function isZip(blob) {
    const head = new DataView(await blob.slice(0, 4).arrayBuffer());
    return head.byteLength === 4 && head.getUint32(0, true) === 0x04034b50;
}

/** The text of the file whose name the pattern fits; an error where there is none. */
export async function textFromZip(blob, pattern) {
    const view = new DataView(await blob.arrayBuffer());
    for (const entry of entriesOf(view)) {
        if (!pattern.test(entry.name)) continue;
        const begin = entry.place + 30 + view.getUint16(entry.place + 26, true) + view.getUint16(entry.place + 28, true);
        return unpack(blob.slice(begin, begin + entry.bytes), entry.method);
    }
    throw new Error('no such file is in the archive');
}
