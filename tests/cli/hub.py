# hub.py FOLDER - a hub as Hugging Face's, with models made up in FOLDER, and a second server to which it redirects large files.
# Prints the port. What is asked is logged to FOLDER/log: method, path, range, authorization. Modes are files of FOLDER/modes,
# read at each request:
#   slow      large files come in small pieces with pauses
#   cut N     each answer of the second server ends after N bytes
#   norange   ranges are ignored
#   busy N    the next N requests get 503
#   wrong     the bytes are others
#   wrongonce the same for one request
#   short     the listing says one byte more
#   shifted   another range comes than was asked for
#   private   a token is needed
#   stuck     nothing comes behind the head
import hashlib, http.server, json, os, socketserver, sys, threading, time, urllib.parse

folder = sys.argv[1]
modes = os.path.join(folder, 'modes')
os.makedirs(modes, exist_ok=True)
COMMIT = '0123456789abcdef0123456789abcdef01234567'
lock = threading.Lock()


def mode(name):
    try:
        return open(os.path.join(modes, name)).read().strip() or '1'
    except OSError:
        return None


def countdown(name):
    with lock:
        left = int(mode(name) or 0)
        if left > 0: open(os.path.join(modes, name), 'w').write(str(left - 1))
        return left > 0


def names(repository):
    top = os.path.join(folder, 'repositories', repository)
    return sorted(os.path.relpath(os.path.join(at, f), top) for at, _, files in os.walk(top) for f in files)


def content(repository, name):
    return open(os.path.join(folder, 'repositories', repository, name), 'rb').read()


def is_large(name):
    return name.endswith(('.safetensors', '.gguf'))


def entry(repository, name):
    data = content(repository, name)
    size = len(data) + (1 if mode('short') and is_large(name) else 0)
    found = {'rfilename': name, 'size': size, 'blobId': hashlib.sha1(b'blob %d\0' % len(data) + data).hexdigest()}
    if is_large(name): found['lfs'] = {'sha256': hashlib.sha256(data).hexdigest(), 'size': size, 'pointerSize': 134}
    return found


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = 'HTTP/1.1'

    def log_message(self, *arguments):
        pass

    def note(self):
        with lock:
            with open(os.path.join(folder, 'log'), 'a') as log:
                print(self.server.name, self.path, self.headers.get('Range', '-'), self.headers.get('Authorization', '-'), file=log)

    def reply(self, status, body=b'', **headers):
        self.send_response(status)
        for name, value in headers.items(): self.send_header(name.replace('_', '-'), value)
        self.send_header('Content-Length', str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_GET(self):
        self.note()
        path = urllib.parse.unquote(self.path.split('?')[0])
        if self.server.name == 'hub' and mode('private') and self.headers.get('Authorization') != 'Bearer open-sesame':
            return self.reply(401, b'no')
        if countdown('busy'): return self.reply(503, b'later')
        parts = path.strip('/').split('/')
        if path.startswith('/api/models/'):
            repository = '/'.join(parts[2:4])
            if parts[4:6] != ['revision', 'main'] and parts[5] != COMMIT or not names(repository): return self.reply(404)
            listing = {'sha': COMMIT, 'siblings': [entry(repository, n) for n in names(repository)]}
            return self.reply(200, json.dumps(listing).encode())
        if parts[2:3] != ['resolve'] or parts[3] != COMMIT: return self.reply(404)
        repository, name = '/'.join(parts[:2]), '/'.join(parts[4:])
        if name not in names(repository): return self.reply(404)
        if self.server.name == 'hub' and is_large(name):
            return self.reply(302, Location='http://127.0.0.1:%d%s' % (store.server_port, self.path))
        self.send_file(content(repository, name), is_large(name))

    def send_file(self, data, large):
        total, begin, end, status = len(data), 0, len(data), 200
        asked = self.headers.get('Range')
        if large and (mode('wrong') or countdown('wrongonce')): data = bytes(len(data))
        if asked and not mode('norange'):
            begin, end = (int(x) for x in asked.split('=')[1].split('-'))
            end, status = end + 1, 206
            if mode('shifted'): begin, end = begin + 1, end
        self.send_response(status)
        if status == 206: self.send_header('Content-Range', 'bytes %d-%d/%d' % (begin, end - 1, total))
        self.send_header('Content-Length', str(end - begin))
        self.end_headers()
        if large and mode('stuck'):
            time.sleep(30)
        if large and mode('cut'):
            self.wfile.write(data[begin:min(end, begin + int(mode('cut')))])
            self.close_connection = True
            return
        step = 1 << 16 if large and mode('slow') else 1 << 22
        for at in range(begin, end, step):
            self.wfile.write(data[at:min(end, at + step)])
            if large and mode('slow'): time.sleep(0.03)


class Server(socketserver.ThreadingMixIn, http.server.HTTPServer):
    daemon_threads = True

    def handle_error(self, request, address):
        pass


store = Server(('127.0.0.1', 0), Handler)
store.name = 'store'
hub = Server(('127.0.0.1', 0), Handler)
hub.name = 'hub'
threading.Thread(target=store.serve_forever, daemon=True).start()
print(hub.server_port, flush=True)
hub.serve_forever()
