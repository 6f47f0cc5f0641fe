// idle.mjs URL - opens as many streaming requests as each line of its input says, all but the first few of which wait. It
// prints "open TOTAL without ENDED" when the server knows all of them and has begun their answers, and leaves when its input ends.
import net from 'node:net';
import readline from 'node:readline';

const url = process.argv[2], { hostname, port } = new URL(url);
const body = JSON.stringify({ model: 'deepseek-chat', messages: [{ role: 'user', content: 'Tell me a long story.' }], stream: true, max_tokens: 3000, temperature: 1, logit_bias: { 1: -100 } });
const request = `POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: ${Buffer.byteLength(body)}\r\n\r\n${body}`;
let begun = 0, ended = 0;
const sockets = [];
const open = () => new Promise(done => {
    const socket = net.connect(port, hostname, () => { socket.write(request); done(); });
    socket.once('data', data => {
        if (data.toString().startsWith('HTTP/1.1 200')) begun++;
        else console.log('wrong: ' + data.toString().slice(0, 200));
    });
    socket.on('error', e => { console.log('wrong: ' + e.message); done(); });
    socket.on('close', () => ended++);
    sockets.push(socket);
});
let total = 0;
for await (const line of readline.createInterface({ input: process.stdin })) {
    for (const last = total + Number(line); total < last; total++) await open();
    for (let i = 0; i < 1800 && begun < total; i++) await new Promise(done => setTimeout(done, 100));
    console.log(begun === total ? `open ${total} without ${ended}` : `wrong: ${begun} begun, ${ended} ended`);
}
for (const socket of sockets) socket.destroy();
