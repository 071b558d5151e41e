"""One process that wants the last handle. Standard library only: it starts
in no time, and nothing but the request is between the gate and the service.

``python contender.py HOST PORT GATE``: for each line of JSON on stdin, a
claim's body, connect, say ``ready``, wait for a byte from the file
descriptor GATE, send, and print status and body as JSON.
"""

import http.client
import json
import os
import sys

_HEADERS = {
    'Content-Type': 'application/json',
    'X-Auth-Token': 'alice:demo:member,reader',
    'OpenStack-API-Version': 'accelerator 2.3',
}


def main(host: str, port: str, gate: str) -> None:
    for line in sys.stdin:
        connection = http.client.HTTPConnection(host, int(port), timeout=60)
        connection.connect()
        print('ready', flush=True)
        os.read(int(gate), 1)
        connection.request('POST', '/v2/claims', line.strip(), _HEADERS)
        answer = connection.getresponse()
        body = json.loads(answer.read())
        print(json.dumps([answer.status, body]), flush=True)
        connection.close()


if __name__ == '__main__':
    main(*sys.argv[1:])
