"""The scripts of docker/, on machines that are made up: a metadata service, /dev, /sys, and commands on PATH."""

import http.server
import json
import os
import shutil
import subprocess
import tempfile
import threading
import unittest
from pathlib import Path

DOCKER = Path(__file__).resolve().parent.parent
TOKEN = "a token"


class Metadata(http.server.BaseHTTPRequestHandler):
    """EC2's metadata service, version 2: answers those only who show a token that it gave."""

    def do_PUT(self):
        if self.path == "/latest/api/token" and self.headers["X-aws-ec2-metadata-token-ttl-seconds"]:
            self.answer(200, TOKEN)
        else:
            self.answer(400, "")

    def do_GET(self):
        if self.headers["X-aws-ec2-metadata-token"] != TOKEN:
            self.answer(401, "")
            return
        value = self.server.values.get(self.path.replace("/latest/meta-data/", ""))
        self.answer(404 if value is None else 200, value or "")

    def answer(self, status, text):
        self.send_response(status)
        self.send_header("content-length", str(len(text)))
        self.end_headers()
        self.wfile.write(text.encode())

    def log_message(self, *_):
        pass


class Machine(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.root = Path(folder.name)
        self.commands = self.root / "bin"
        self.commands.mkdir()
        for command in ("bash", "cat", "curl", "dirname", "grep", "id", "mkdir", "paste", "sed", "sleep", "sort"):
            (self.commands / command).symlink_to(shutil.which(command))
        shutil.copytree(DOCKER, self.root / "docker", ignore=shutil.ignore_patterns("tests", "__pycache__"))
        self.calls = self.root / "calls"
        self.environment = {
            "PATH": str(self.commands),
            "HOME": str(self.root),
            "BERTQA_MACHINE_ROOT": str(self.root),
            "AWS_EC2_METADATA_DISABLED": "true",
        }

    def on_ec2(self, **values):
        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Metadata)
        server.values = {name.replace("_", "-"): value for name, value in values.items()}
        if "region" in values:
            server.values["placement/region"] = values["region"]
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        self.addCleanup(thread.join)
        self.addCleanup(server.server_close)
        self.addCleanup(server.shutdown)
        del self.environment["AWS_EC2_METADATA_DISABLED"]
        self.environment["AWS_EC2_METADATA_SERVICE_ENDPOINT"] = f"http://127.0.0.1:{server.server_port}/"

    def with_file(self, path, text=""):
        file = self.root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)

    def with_command(self, name, script):
        """A command that writes its arguments down, then does what the script says."""
        file = self.commands / name
        file.write_text(f'#!{shutil.which("bash")}\necho "{name} $*" >> "{self.calls}"\n{script}\n')
        file.chmod(0o755)

    def run_script(self, *arguments, **environment):
        command = [str(self.commands / "bash"), str(self.root / "docker" / arguments[0]), *arguments[1:]]
        return subprocess.run(command, env={**self.environment, **environment}, capture_output=True, text=True)

    def says(self, *arguments, **environment):
        done = self.run_script(*arguments, **environment)
        self.assertEqual(done.returncode, 0, done.stderr)
        return done.stdout.strip()

    def fails(self, *arguments, **environment):
        done = self.run_script(*arguments, **environment)
        self.assertNotEqual(done.returncode, 0)
        return done.stderr.strip()

    def called(self):
        return self.calls.read_text().splitlines()


class Target(Machine):
    def test_by_the_instance_type(self):
        kinds = {"inf1.xlarge": "inf1", "inf2.48xlarge": "inf2", "trn1.2xlarge": "trn1", "trn1n.32xlarge": "trn1"}
        kinds |= {"trn2.48xlarge": "trn2", "trn2u.48xlarge": "trn2"}
        for kind, target in {**kinds, "m7i.large": "cpu"}.items():
            with self.subTest(kind):
                self.with_file("sys/devices/virtual/dmi/id/product_name", kind + "\n")
                self.assertEqual(self.says("instance.sh", "target"), target)

    def test_by_the_metadata_service(self):
        self.on_ec2(instance_type="inf2.xlarge")
        self.with_file("sys/devices/virtual/dmi/id/product_name", "of another name")
        self.assertEqual(self.says("instance.sh", "target"), "inf2")

    def test_with_a_service_that_gives_no_type(self):
        self.on_ec2()
        self.with_file("sys/devices/virtual/dmi/id/product_name", "inf1.xlarge")
        self.assertEqual(self.says("instance.sh", "target"), "inf1")

    def test_of_a_kind_that_there_is_nothing_for(self):
        self.on_ec2(instance_type="trn3.48xlarge")
        self.assertIn("nothing for instances of type trn3.48xlarge", self.fails("instance.sh", "target"))

    def test_neuron_devices_of_no_known_kind(self):
        self.with_file("dev/neuron0")
        self.assertIn("set BERTQA_TARGET to inf1, inf2, trn1 or trn2", self.fails("instance.sh", "target"))

    def test_gpu(self):
        self.with_command("nvidia-smi", 'echo "GPU 0: NVIDIA H100 (UUID: GPU-0)"')
        self.assertEqual(self.says("instance.sh", "target"), "gpu")

    def test_gpu_whose_driver_is_broken(self):
        self.with_command("nvidia-smi", "echo NVIDIA-SMI has failed; exit 9")
        self.assertEqual(self.says("instance.sh", "target"), "cpu")

    def test_what_is_asked_for(self):
        self.on_ec2(instance_type="inf2.xlarge")
        self.assertEqual(self.says("instance.sh", "target", "trn1"), "trn1")
        self.assertEqual(self.says("instance.sh", "target", "auto", BERTQA_TARGET="gpu"), "gpu")
        self.assertEqual(self.says("instance.sh", "target", "cpu", BERTQA_TARGET="gpu"), "cpu")
        self.assertEqual(self.says("instance.sh", "target", "torch-cpu"), "torch-cpu")
        for arguments, variable in ((("tpu",), ""), ((), "tpu"), (("cpu gpu",), "")):
            self.assertIn("there is no target", self.fails("instance.sh", "target", *arguments, BERTQA_TARGET=variable))


class DevicesAndRegion(Machine):
    def test_devices(self):
        for number in (0, 2, 10):
            self.with_file(f"dev/neuron{number}")
        self.with_file("dev/neuron_info")
        options = "--device=/dev/neuron0 --device=/dev/neuron2 --device=/dev/neuron10"
        self.assertEqual(self.says("instance.sh", "devices", "inf2"), options)
        self.assertEqual(self.says("instance.sh", "devices", "gpu"), "--gpus=all")
        self.assertEqual(self.says("instance.sh", "devices", "cpu"), "")

    def test_no_devices(self):
        self.assertIn("there is no /dev/neuron*", self.fails("instance.sh", "devices", "inf1"))

    def test_region(self):
        self.assertIn("set AWS_REGION", self.fails("instance.sh", "region"))
        self.on_ec2(region="ap-northeast-1")
        self.assertEqual(self.says("instance.sh", "region"), "ap-northeast-1")
        self.with_command("aws", "echo eu-west-1")
        self.assertEqual(self.says("instance.sh", "region"), "eu-west-1")
        self.assertEqual(self.says("instance.sh", "region", AWS_DEFAULT_REGION="us-east-2"), "us-east-2")


class Commands(Machine):
    """What docker and aws are called with."""

    def test_bake(self):
        self.with_command("docker", "")
        self.says("bake.sh", "gpu", "--print")
        self.assertEqual(self.called(), ["docker buildx bake --file docker/docker-bake.hcl --load gpu --print"])

    def test_bake_with_a_compiled_model(self):
        self.with_command("docker", 'echo "$COMPILED"')
        self.with_file("models/inf1/model.json", "{}")
        self.assertEqual(self.says("bake.sh", "inf1"), "models/inf1")
        self.assertEqual(self.says("bake.sh", "inf2"), "")
        # The native engine reads none.
        self.with_file("models/cpu/model.json", "{}")
        self.assertEqual(self.says("bake.sh", "cpu"), "")

    def test_compile(self):
        self.with_command("docker", "")
        self.with_file("dev/neuron0")
        self.says("compile.sh", "inf2", "org/name", "--batch-size", "4")
        build, run = self.called()
        self.assertEqual(build, "docker buildx bake --file docker/docker-bake.hcl --load trace-inf2")
        self.assertIn(" --device=/dev/neuron0 ", run)
        self.assertTrue(run.endswith(" bertqa:trace-inf2 inf2 org/name --output models/inf2 --batch-size 4"), run)

    def test_compile_for_the_processor(self):
        self.with_command("docker", "")
        self.assertIn("nothing has to be compiled for cpu", self.fails("compile.sh", "cpu"))
        self.assertFalse(self.calls.exists())
        self.says("compile.sh", "torch-cpu", "org/name")
        run = self.called()[1]
        self.assertTrue(run.endswith(" bertqa:trace-torch-cpu cpu org/name --output models/torch-cpu"), run)

    def test_compile_without_devices(self):
        self.with_command("docker", "")
        self.assertIn("there is no /dev/neuron*", self.fails("compile.sh", "inf1"))
        self.assertFalse(self.calls.exists())
        self.says("compile.sh", "inf1", "--compile-only")
        default = "models/default --tokenizer tokenizer --name bertqa-default --output models/inf1 --compile-only"
        self.assertTrue(self.called()[1].endswith(f" inf1 {default}"))

    def test_up(self):
        # Ready at the second look.
        self.with_command(
            "docker",
            "if [[ $1 == inspect ]]; then if [[ -e $HOME/looked ]]; then echo running healthy; "
            "else : > $HOME/looked; echo running starting; fi; fi",
        )
        self.with_file("dev/neuron0")
        self.with_file("dev/neuron1")
        said = self.says("up.sh", "inf1", "--max-rows", "64", PORT="9000")
        self.assertEqual(said, "http://localhost:9000 answers, on inf1")
        (run,) = (call for call in self.called() if call.startswith("docker run"))
        self.assertIn(" --device=/dev/neuron0 --device=/dev/neuron1 --publish 9000:8080 ", run)
        self.assertTrue(run.endswith(" bertqa:inf1 serve --max-rows 64"), run)

    def test_up_that_fails(self):
        self.with_command("docker", "case $1 in inspect) echo restarting starting ;; logs) echo no model ;; esac")
        said = self.fails("up.sh", "cpu")
        self.assertIn("no model", said)
        self.assertIn("the server did not start (restarting starting)", said)

    def test_push(self):
        self.with_command("docker", "if [[ $1 == login ]]; then cat > /dev/null; fi")
        self.with_command(
            "aws",
            'case "$1 $2" in "sts get-caller-identity") echo 123456789012 ;; '
            '"ecr get-login-password") echo secret ;; "ecr describe-repositories") exit 1 ;; esac',
        )
        self.says("push.sh", "inf2", AWS_REGION="ap-northeast-1")
        registry = "123456789012.dkr.ecr.ap-northeast-1.amazonaws.com"
        calls = self.called()
        self.assertIn(f"docker login --username AWS --password-stdin {registry}", calls)
        self.assertIn("aws ecr create-repository --region ap-northeast-1 --repository-name bertqa", calls)
        self.assertEqual(calls[-1], f"docker push {registry}/bertqa:inf2")
        self.assertNotIn("secret", " ".join(calls))


def has_buildx():
    return (
        shutil.which("docker") and subprocess.run(["docker", "buildx", "version"], capture_output=True).returncode == 0
    )


@unittest.skipUnless(has_buildx(), "needs docker with buildx")
class Bake(unittest.TestCase):
    def plan(self, *targets, **environment):
        command = ["docker", "buildx", "bake", "--file", "docker/docker-bake.hcl", "--print", *targets]
        done = subprocess.run(
            command,
            cwd=DOCKER.parent,
            env={**os.environ, **environment},
            capture_output=True,
            text=True,
        )
        self.assertEqual(done.returncode, 0, done.stderr)
        return json.loads(done.stdout)["target"]

    def test_each_target_has_its_base_and_requirements(self):
        names = ["torch-cpu", "gpu", "inf1", "inf2", "trn1", "trn2"]
        plan = self.plan(*names, *(f"trace-{name}" for name in names), INF2_BASE="another:image")
        for name in names:
            for item, stage in ((name, "run"), (f"trace-{name}", "trace")):
                target = name.removeprefix("torch-")
                self.assertEqual((plan[item]["target"], plan[item]["args"]["TARGET"]), (stage, target))
                self.assertTrue((DOCKER / "requirements" / f"{target}.txt").is_file())
        self.assertIn("-neuron-", plan["inf1"]["args"]["BASE"])
        self.assertEqual(plan["inf2"]["args"]["BASE"], "another:image")
        for name in ("trn1", "trn2"):
            self.assertEqual(plan[name]["args"]["BASE"], "another:image")

    def test_the_native_image(self):
        plan = self.plan("cpu", PLATFORMS="linux/amd64,linux/arm64", MODEL="org/name")["cpu"]
        self.assertEqual((plan["target"], plan["dockerfile"]), ("cpu", "docker/Dockerfile"))
        self.assertEqual(plan["platforms"], ["linux/amd64", "linux/arm64"])
        self.assertEqual(plan["args"]["MODEL"], "org/name")
        self.assertNotIn("contexts", plan)

    def test_where_rust_is_from(self):
        self.assertEqual(self.plan("gpu")["gpu"]["contexts"], {"toolchain": "target:toolchain"})
        plan = self.plan("cpu", "gpu", TOOLCHAIN="a/folder")
        self.assertEqual(plan["cpu"]["contexts"], {"toolchain": "a/folder"})
        self.assertEqual(plan["gpu"]["contexts"], {"toolchain": "a/folder"})

    def test_a_compiled_model_replaces_the_stage(self):
        plan = self.plan("inf1", COMPILED="models/inf1", REPOSITORY="registry/name")
        self.assertEqual(plan["inf1"]["contexts"], {"toolchain": "target:toolchain", "model": "models/inf1"})
        self.assertEqual(plan["inf1"]["tags"], ["registry/name:inf1"])


if __name__ == "__main__":
    unittest.main()
