"""What a client of the API server sees of pods that it makes: HOME ADDRESS NODE COUNT ROUNDS NAME.

Prints for each round the seconds from the request to Running as a watch has it: of one pod, then of COUNT that are made at
once, to the last. The pods stay.
"""
import http.client
import json
import ssl
import sys
import threading
import time

HOME, ADDRESS, NODE, COUNT, ROUNDS = sys.argv[1], sys.argv[2], sys.argv[3], int(sys.argv[4]), int(sys.argv[5])
NAME = sys.argv[6]
PODS = "/api/v1/namespaces/default/pods"
context = ssl.create_default_context(cafile=HOME + "/pki/ca.crt")
context.load_cert_chain(HOME + "/pki/admin.crt", HOME + "/pki/admin.key")


def connect():
    return http.client.HTTPSConnection(ADDRESS, 6443, context=context)


def call(connection, method, path, body=None):
    connection.request(method, path, json.dumps(body) if body else None, {"Content-Type": "application/json", "User-Agent": "x"})
    answer = connection.getresponse()
    data = json.loads(answer.read())
    assert answer.status < 300, data
    return data


def pod(name):
    container = {"name": "main", "image": "host:/bin/sleep", "args": ["86400"]}
    spec = {"nodeName": NODE, "hostNetwork": True, "automountServiceAccountToken": False, "containers": [container]}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name}, "spec": spec}


running, bell = {}, threading.Condition()


def watch(version):
    connection = connect()
    connection.request("GET", f"{PODS}?watch=1&resourceVersion={version}", headers={"User-Agent": "x"})
    for line in connection.getresponse():
        pod = json.loads(line)["object"]
        if pod.get("status", {}).get("phase") == "Running":
            with bell:
                running.setdefault(pod["metadata"]["name"], time.monotonic())
                bell.notify_all()


def make(names):
    begin = time.monotonic()

    def some(part):
        connection = connect()
        for name in part:
            call(connection, "POST", PODS, pod(name))

    threads = [threading.Thread(target=some, args=(names[i::4],)) for i in range(min(4, len(names)))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with bell:
        assert bell.wait_for(lambda: all(name in running for name in names), 300), set(names) - set(running)
    return max(running[name] for name in names) - begin


version = call(connect(), "GET", PODS)["metadata"]["resourceVersion"]
threading.Thread(target=watch, args=(version,), daemon=True).start()
one = sorted(make([f"{NAME}-one-{i}"]) for i in range(ROUNDS))
many = make([f"{NAME}-many-{i}" for i in range(COUNT)])
print(json.dumps({"one": one[len(one) // 2], "many": many}))
