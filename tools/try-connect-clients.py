#!/usr/bin/env python3
"""
Drives the REST API of a Connect worker with clients that nobody here wrote, as their users would: kafka-connect-py, kafka-connect-api
and kafkaconnect, fetched from PyPI into a temporary directory, and kafka-connect-client from Maven Central where mvn and java are there.
Needs a build (npm run build) and Python 3.9 or newer.

    python3 tools/try-connect-clients.py

Prints a line a step, and exits with 1 when one failed. The worker runs on a free port of its own and ends with the script.
"""
import json
import os
import pathlib
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
import venv

clients = ['kafka-connect-py==1.0.0', 'kafka-connect-api==0.5.10', 'kafkaconnect==1.3.1', 'setuptools==65.5.0']
java_client = '''<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion><groupId>millrace.test</groupId><artifactId>try-connect-client</artifactId><version>1</version>
  <dependencies><dependency><groupId>org.sourcelab</groupId><artifactId>kafka-connect-client</artifactId><version>4.0.4</version></dependency></dependencies>
</project>
'''
repository = pathlib.Path(__file__).resolve().parent.parent
failures = []


def check(step, holds, seen=''):
    print(f"{'ok  ' if holds else 'FAIL'} {step}{'' if holds else f': {seen}'}")
    if not holds:
        failures.append(step)


def eventually(holds):
    """Whether it holds within half a minute."""
    for _ in range(150):
        try:
            if holds():
                return True
        except Exception:
            pass  # such as a status that is not there yet
        time.sleep(0.2)
    return False


def refused(status, call):
    """Whether the client reports an answer with this status."""
    try:
        call()
    except Exception as error:
        return str(status) in str(error)
    return False


def drive_kafka_connect_py(base, config):
    from kafka_connect import KafkaConnect

    client = KafkaConnect(url=base)
    info = client.get_cluster_info()
    check('kafka-connect-py: cluster info', {'version', 'commit', 'kafka_cluster_id'} <= set(info), info)
    check('kafka-connect-py: create', client.create_connector({'name': 'a', 'config': config})['name'] == 'a')
    check('kafka-connect-py: runs', eventually(lambda: client.get_connector_status('a')['tasks'][0]['state'] == 'RUNNING'))
    check('kafka-connect-py: expand', client.list_connectors(expand='status')['a']['status']['connector']['state'] == 'RUNNING')
    check('kafka-connect-py: update', client.update_connector('a', {**config, 'test': 'success'})['config']['test'] == 'success')
    check('kafka-connect-py: config as it was given', client.get_connector_config('a') == {**config, 'test': 'success', 'name': 'a'}, client.get_connector_config('a'))
    for step, state in (('pause', 'PAUSED'), ('resume', 'RUNNING'), ('stop', 'STOPPED'), ('resume', 'RUNNING')):
        getattr(client, f'{step}_connector')('a')
        check(f'kafka-connect-py: {step}', eventually(lambda: client.get_connector_status('a')['connector']['state'] == state))
    check('kafka-connect-py: tasks', eventually(lambda: client.list_connector_tasks('a')[0]['id'] == {'connector': 'a', 'task': 0}))
    check('kafka-connect-py: topics', eventually(lambda: client.list_connector_topics('a') == {'a': {'topics': ['lines']}}), client.list_connector_topics('a'))
    client.reset_connector_topics('a')
    restarted = client.restart_connector('a', include_tasks=True)
    check('kafka-connect-py: restart with tasks', restarted['tasks'][0]['state'] == 'RESTARTING', restarted)
    client.restart_connector('a')
    check('kafka-connect-py: runs again', eventually(lambda: client.get_connector_task_status('a', 0)['state'] == 'RUNNING'))
    client.restart_connector_task('a', 0)
    check('kafka-connect-py: plugins', any(each['class'].endswith('.FileStreamSourceConnector') for each in client.list_connector_plugins()))
    check('kafka-connect-py: validate', client.validate_connector_config('FileStreamSource', {**config, 'name': 'a'})['error_count'] == 0)
    check('kafka-connect-py: 404', refused(404, lambda: client.get_connector('none')))
    check('kafka-connect-py: 409', refused(409, lambda: client.create_connector({'name': 'a', 'config': config})))
    check('kafka-connect-py: 400', refused(400, lambda: client.create_connector({'name': 'b', 'config': {**config, 'tasks.max': 'many'}})))
    client.delete_connector('a')
    check('kafka-connect-py: delete', client.list_connectors() == [], client.list_connectors())


def drive_kafka_connect_api(port, config):
    from kafka_connect_api.kafka_connect_api import Api, Cluster, Connector

    api = Api('127.0.0.1', port=port)
    api.post('/connectors', json={'name': 'b', 'config': config})
    cluster = Cluster(api)
    check('kafka-connect-api: cluster', bool(cluster.version) and bool(cluster.kafka_cluster))
    connector = cluster.connectors['b']
    check('kafka-connect-api: exists', connector.exists() and connector.connector_class == 'FileStreamSource')
    check('kafka-connect-api: runs', eventually(lambda: connector.state == 'RUNNING' and connector.tasks[0].is_running()))
    connector.pause()
    check('kafka-connect-api: pause', eventually(lambda: connector.state == 'PAUSED'))
    connector.resume()
    check('kafka-connect-api: resume', eventually(lambda: connector.state == 'RUNNING'))
    connector.restart_all_tasks()
    connector.cycle_connector()
    check('kafka-connect-api: runs after a cycle', eventually(lambda: connector.state == 'RUNNING' and connector.tasks[0].is_running()))
    connector.config = {**config, 'name': 'b', 'batch.size': '100'}
    check('kafka-connect-api: config', connector.config['batch.size'] == '100', connector.config)
    cluster.root_logger = 'DEBUG'
    check('kafka-connect-api: loggers', cluster.root_logger['level'] == 'DEBUG', cluster.root_logger)
    check('kafka-connect-api: 404', refused(404, lambda: Connector(cluster, 'none').exists()))
    connector.delete()
    check('kafka-connect-api: delete', 'b' not in cluster.connectors)


def drive_kafkaconnect(base, config):
    from kafkaconnect.connect import Connect

    client = Connect(connect_url=base)
    client.create_or_update('c', json.dumps({**config, 'name': 'c'}))
    check('kafkaconnect: create', 'c' in client.list(), client.list())
    check('kafkaconnect: runs', eventually(lambda: json.loads(client.status('c'))['tasks'][0]['state'] == 'RUNNING'))
    check('kafkaconnect: info', json.loads(client.info('c'))['type'] == 'source', client.info('c'))
    client.pause('c')
    check('kafkaconnect: pause', eventually(lambda: json.loads(client.status('c'))['connector']['state'] == 'PAUSED'))
    client.resume('c')
    client.restart('c')
    check('kafkaconnect: runs after a restart', eventually(lambda: json.loads(client.status('c'))['connector']['state'] == 'RUNNING'))
    client.remove('c')
    check('kafkaconnect: delete', json.loads(client.list()) == [], client.list())


def drive_kafka_connect_client(base, lines, directory):
    if not all(map(shutil.which, ['java', 'mvn'])):
        return print('skip kafka-connect-client: there is no java or no mvn')
    pathlib.Path(directory, 'pom.xml').write_text(java_client)
    subprocess.run(['mvn', '-q', '-B', '-f', directory, 'dependency:copy-dependencies', '-DincludeScope=runtime', f'-DoutputDirectory={directory}/jars'], check=True)
    flow = subprocess.run(['java', '-cp', f'{directory}/jars/*', repository / 'tools' / 'connect-client-flow.java', base, str(lines)], stderr=subprocess.DEVNULL, check=False)
    if flow.returncode != 0:
        failures.append('kafka-connect-client')


def drive(base, directory):
    lines = pathlib.Path(directory, 'lines.txt')
    lines.write_text('one\ntwo\nthree\n')
    config = {'connector.class': 'FileStreamSource', 'tasks.max': '1', 'file': str(lines), 'topic': 'lines'}
    check('worker: healthy', eventually(lambda: urllib.request.urlopen(f'{base}/health').status == 200))
    drive_kafka_connect_py(base, config)
    drive_kafka_connect_api(int(base.rsplit(':', 1)[1]), config)
    drive_kafkaconnect(base, config)
    drive_kafka_connect_client(base, lines, directory)
    print(f'{len(failures)} steps failed')
    sys.exit(1 if failures else 0)


def main():
    with tempfile.TemporaryDirectory() as directory, socket.socket() as reserved:
        python = pathlib.Path(directory, 'venv', 'bin', 'python')
        venv.create(python.parent.parent, with_pip=True)
        subprocess.run([python, '-m', 'pip', 'install', '--quiet', *clients], check=True)
        reserved.bind(('127.0.0.1', 0))
        base = f'http://127.0.0.1:{reserved.getsockname()[1]}'
        reserved.close()
        settings = pathlib.Path(directory, 'worker.json')
        settings.write_text(json.dumps({
            'listeners': base, 'task.host': 'in-process', 'key.converter': 'org.apache.kafka.connect.storage.StringConverter',
            'value.converter': 'org.apache.kafka.connect.storage.StringConverter',
        }))
        command = ['node', repository / 'dist/src/cli/main.js', 'connect', 'standalone', settings, '--data', os.path.join(directory, 'data')]
        worker = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            status = subprocess.run([python, __file__, base, directory], check=False).returncode
        finally:
            worker.terminate()
            worker.wait()
    sys.exit(status)


if len(sys.argv) == 3:
    drive(sys.argv[1], sys.argv[2])
else:
    main()
