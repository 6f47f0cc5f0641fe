/* tree.js - the messages of a chat as a tree: an edit or another answer is a sibling, and the chat shows one path. */

export class Tree {
    constructor(messages = []) {
        this.byId = new Map();
        this.children = new Map(); // of a message's id, or of '' at the root
        for (const message of [...messages].sort((a, b) => a.created - b.created)) this.add(message);
    }

    add(message) {
        const parent = message.parent || '';
        this.byId.set(message.id, message);
        if (!this.children.has(parent)) this.children.set(parent, []);
        this.children.get(parent).push(message.id);
    }

    get(id) {
        return this.byId.get(id);
    }

    /** From the first message to the leaf. Damaged imports may have cycles: none is followed twice. */
    path(leaf) {
        const path = [];
        const seen = new Set();
        for (let id = leaf; id && this.byId.has(id) && !seen.has(id); id = this.byId.get(id).parent) {
            seen.add(id);
            path.push(this.byId.get(id));
        }
        return path.reverse();
    }

    /** { index, count, ids } of the alternatives that a message is one of. */
    siblings(message) {
        const ids = this.children.get(message.parent || '') || [];
        return { ids, index: ids.indexOf(message.id), count: ids.length };
    }

    /** The newest leaf below a message. */
    leafBelow(id) {
        const seen = new Set();
        while (!seen.has(id)) {
            seen.add(id);
            const below = this.children.get(id);
            if (!below || below.length === 0) break;
            id = below[below.length - 1];
        }
        return id;
    }

    /** The leaf to show when nothing says which. */
    newestLeaf() {
        const roots = this.children.get('');
        return roots ? this.leafBelow(roots[roots.length - 1]) : null;
    }
}
