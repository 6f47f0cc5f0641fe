// check.mjs - what tests share: named checks, and the closing line that tools/run_tests.sh counts, or how many failed.
export const base = process.argv[2], model = process.argv[3] ?? 'deepseek-chat';
let passed = 0, failed = 0;

export function expect(name, condition, detail = '') {
    condition ? passed++ : failed++;
    console.log(`${condition ? 'ok' : 'not ok'} - ${name}${condition ? '' : ' ' + String(detail).slice(0, 300)}`);
}

// A check that may throw; the exception is its failure.
export async function check(name, work) {
    try {
        const result = await work();
        expect(name, result !== false, 'was false');
    } catch (error) {
        expect(name, false, error?.stack ?? error);
    }
}

// The exception that `work` throws.
export async function thrown(work) {
    try {
        await work();
    } catch (error) {
        return error;
    }
    throw new Error('nothing was thrown');
}

// Throws unless both are the same as JSON.
export function same(found, wanted, what) {
    const [one, other] = [found, wanted].map((value) => JSON.stringify(value));
    if (one !== other) throw new Error(`${what}: expected ${other}, found ${one}`);
}

// Ends a server, which it must do well: sanitizers say there what they found.
export async function end(server) {
    const ended = new Promise((resolve) => server.on('exit', (status, signal) => resolve(status ?? signal)));
    server.kill('SIGTERM');
    same(await ended, 0, 'the exit status of the server');
}

export const failures = () => failed;

export function finish() {
    console.log(`${passed} passed, ${failed} failed`);
    process.exit(failed ? 1 : 0);
}

export const question = [{ role: 'user', content: 'Say hi' }];
