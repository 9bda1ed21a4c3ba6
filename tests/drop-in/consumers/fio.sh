# SPDX-License-Identifier: LGPL-2.1-or-later
# fio's nbd engine: writes, reads back and verifies. Like nbdfuse it takes no
# keys, and certificates only from the user's home.
size=4M

# job WORDS...: what fio counts is compared, what it measures is not.
job() {
	echo "== $*"
	as_user fio --name=job --ioengine=nbd --uri="$bare_uri" --size=$size \
		--randseed=1 --output-format=json --output=result "$@" ||
		{
			cat result
			fail "fio $*"
		}
	python3 - <<-'END'
		import json
		text = open("result").read()
		# The engine may say something before its JSON.
		result = json.loads(text[text.index("{"):])
		for job in result["jobs"]:
		    print(job["error"], *(
		        f"{what} {job[what]['total_ios']} ios"
		        f" {job[what]['io_bytes']} bytes"
		        for what in ("read", "write", "trim", "sync")
		        if "io_bytes" in job[what]))
	END
}

verify="--verify=crc32c --verify_fatal=1 --do_verify=1"
job --rw=write --bs=64k $verify
job --rw=randwrite --bs=4k --iodepth=16 $verify
job --rw=randrw --bs=512-128k --iodepth=32 --bsrange=512-128k $verify
job --rw=read --bs=1M --iodepth=4
job --rw=randwrite --bs=16k --iodepth=8 --fsync=8 $verify
job --rw=randwrite --bs=32k --iodepth=8 --numjobs=4 --thread \
	--offset_increment=1M --size=1M $verify
[ "$server" = nbd-server ] || job --rw=randtrim --bs=64k --iodepth=4
# fio's checks carry the time; this is the same each time.
job --rw=write --bs=64k --iodepth=8 --verify=pattern \
	--verify_pattern=0x64726f70 --do_verify=1 --verify_fatal=1
sha256sum <"$image"
