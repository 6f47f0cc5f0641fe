# odd_server.py - a server that answers as bad ones do, by the first part of the path: /cut/..., /malformed/... and so on.
# Prints its port.
import http.server
import time

TEXT = b'data: {"choices":[{"delta":{"content":"hi"}}]}\n\n'
LAST = (b'data: {"choices":[{"delta":{},"finish_reason":"stop"}],"usage":{"prompt_tokens":7,"completion_tokens":1}}\n\n')
DONE = b'data: [DONE]\n\n'
BODIES = {
    'good': TEXT + LAST + DONE,
    'crlf': b': comment\r\nevent: x\r\n' + TEXT.replace(b'\n', b'\r\n') + LAST + b'data:[DONE]\r\n\r\n',
    'malformed': b'data: {"choices":\n\n' + DONE,
    'error': TEXT + b'data: {"error":{"message":"no"}}\n\n',
    'unended': TEXT + LAST,
}


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = 'HTTP/1.1'

    def log_message(self, *arguments):
        pass

    def send(self, status, body, claimed=None):
        self.send_response(status)
        self.send_header('Content-Length', str(len(body) if claimed is None else claimed))
        self.end_headers()
        self.wfile.write(body)

    def do_POST(self):
        body = self.rfile.read(int(self.headers['Content-Length']))
        kind = self.path.split('/')[1]
        if b'"stream":false' in body:
            self.send(200, b'{"choices":[],"usage":{"prompt_tokens":%d}}' % (len(body) // 4))
        elif kind == 'slow':
            time.sleep(3)
        elif kind == 'nothttp':
            self.wfile.write(b'hello\n')
            self.close_connection = True
        elif kind == 'cut':
            self.send(200, TEXT, 1000)
            self.close_connection = True
        elif kind == 'busy':
            self.send(503, b'{"error":{"message":"too many"}}')
        elif kind == 'closes':  # without saying that it will
            self.send(200, BODIES['good'])
            self.close_connection = True
        else:
            self.send(200, BODIES[kind])


server = http.server.ThreadingHTTPServer(('127.0.0.1', 0), Handler)
print(server.server_address[1], flush=True)
server.serve_forever()
