"""The figures that pages quote from results, as harness/quotes.py reads them.

A reworded sentence must be reworded here too, which a test checks. A row of the README's table
stands here whole.
"""

from __future__ import annotations

README = (
    "On {end_to_end[cores]:d} cores of {end_to_end[processor]} without a GPU",
    "| 2 min of 720p to stored V-CAST tokens, small tower, same tokens kept "
    "| {end_to_end[evs]:.1f} s | {end_to_end[by hand]:.1f} s, transformers by hand "
    "| {end_to_end[by hand / evs]:.1f} |",
    "| 64 frames of 2 min 720p, a key frame every 2 s | {decode[60 64 ours]:.1f} s "
    "| {decode[60 64 kept]:.1f} s, decode all and convert 64 "
    "| {decode[60 64 kept / ours]:.1f} |",
    "| 16 frames of the same | {decode[60 16 ours]:.1f} s | {decode[60 16 kept]:.1f} s "
    "| {decode[60 16 kept / ours]:.1f} |",
    "| 64 frames, a key frame every 8.3 s | {decode[250 64 ours]:.1f} s "
    "| {decode[250 64 kept]:.1f} s | {decode[250 64 kept / ours]:.1f} |",
    "It takes {pruners[float32 surprise]:.0f} ms for 384x196x2048 float32 tokens where V-CAST "
    "takes {pruners[float32 vcast]:.0f} ms",
    "| EVS mask of 384x196x2048 float32 tokens | {pruners[float32 evs]:.0f} ms "
    "| {pruners[float32 evs, plain cosine_similarity]:,.0f} ms, plain cosine "
    "| {pruners[float32 plain / evs]:.0f} |",
    "| V-CAST mask of the same | {pruners[float32 vcast]:.0f} ms "
    "| {pruners[float32 vcast, formulas as they stand]:,.0f} ms, its formulas on the whole tensor "
    "| {pruners[float32 plain / vcast]:.0f} |",
    "| the same against a loop over frames, which caches like better "
    "| {pruners[float32 vcast]:.0f} ms | {pruners[float32 vcast, loop over frames]:.0f} ms "
    "| {pruners[float32 loop / vcast]:.1f} |",
    "| VidCom2 mask of the same | {pruners[float32 vidcom2]:.0f} ms "
    "| {pruners[float32 vidcom2, formulas as they stand]:,.0f} ms, its formulas on the whole "
    "tensor | {pruners[float32 plain / vidcom2]:.0f} |",
    "| bytes read of a {checkpoint_reading[weights]:.1f} GB checkpoint with a "
    "{checkpoint_reading[vision]:.0f} MB vision tower | {checkpoint_reading[evs read]:.0f} MB "
    "| {checkpoint_reading[transformers read]:,.0f} MB, `from_pretrained` "
    "| {checkpoint_reading[transformers / evs read]:.0f} |",
    "| peak memory of that in float32 | {checkpoint_reading[evs float32 peak]:.0f} MB "
    "| {checkpoint_reading[transformers float32 peak]:,.0f} MB "
    "| {checkpoint_reading[transformers / evs float32 peak]:.0f} |",
    "({encoder[least]:.2f} to {encoder[most]:.2f} times; {encoder[windows, least]:.1f} to "
    "{encoder[windows, most]:.1f} for small Qwen2.5-VL frames in bfloat16)",
    "V-CAST after block 2 leaves {inside[Qwen3-VL-2B vcast 0.5 after 2]:.2f} and "
    "{inside[Molmo2 vcast 0.5 after 2]:.2f} of the time at budget 0.5 and "
    "{inside[Qwen3-VL-2B vcast 0.25 after 2]:.2f} and "
    "{inside[Molmo2 vcast 0.25 after 2]:.2f} at 0.25 "
    "({inside[vcast, least over]:.2f} to {inside[vcast, most over]:.2f} of what the FLOPs left "
    "say); STTS leaves {inside[Qwen3-VL-2B stts 0.5 after 3]:.2f} and "
    "{inside[Molmo2 stts 0.5 after 3]:.2f} at 0.5 "
    "({inside[Qwen3-VL-2B stts 0.5 after 3, over]:.2f} and "
    "{inside[Molmo2 stts 0.5 after 3, over]:.2f})",
    "The local engine takes {corpus[samples sized / loop]:.2f} of the time of a plain loop over "
    "the sample videos, of which encoding takes the most and keeps both cores busy, and "
    "{corpus[alike sized / loop]:.2f} over clips of which decoding takes about as long",
    "A ten-minute clip peaks {memory[difference]:.0f} MiB above a ten-second one, with "
    "{memory[tokens, GiB]:.1f} GiB of tokens before pruning",
    "An hour of video in one piece peaks {four_hours[middle, above]:.0f} MiB above a minute, and "
    "four hours {four_hours[long, above]:.0f} MiB",
)
CORPORA = (
    "| a cast | 32,768 | {store_dtype[bfloat16 float16 error]:.2g} "
    "| {store_dtype[bfloat16 float16 logits]:.2g} | {store_dtype[bfloat16 float16 kl]:.2g} "
    "| {store_dtype[large float16 error]:.2g} |",
    "| e4m3, a scale for every token and plane | 16,400 "
    "| {store_dtype[bfloat16 float8 error]:.2g} | {store_dtype[bfloat16 float8 logits]:.2g} "
    "| {store_dtype[bfloat16 float8 kl]:.2g} | {store_dtype[large float8 error]:.2g} |",
    "| whole numbers, a scale for every token and plane | 16,400 "
    "| {store_dtype[bfloat16 int8 error]:.2g} | {store_dtype[bfloat16 int8 logits]:.2g} "
    "| {store_dtype[bfloat16 int8 kl]:.2g} | {store_dtype[large int8 error]:.2g} |",
    "asked for: {store_dtype[large float8 read]:,.0f} tokens a second of that size on one core, "
    "where tokens as computed are mapped at no cost. Writing took "
    "{store_dtype[large float8 write, times]:.1f} (8 bits) and "
    "{store_dtype[large float16 write, times]:.1f} times (float16) as long as without",
    "open in {open_store[open_store]:.1f} s with {open_store[open_store, MiB]:.0f} MiB; mapping "
    "the ids by opening every shard with safetensors takes {open_store[headers]:.1f} s",
    "{reading[size, GB]:.1f} GB in memory took {reading[verify 1]:.1f} s with one process and "
    "{reading[verify 2]:.1f} s with two",
    "were {reading[packed, %]:.1f}% full; of eight videos padded to the longest, "
    "{reading[padded, %]:.1f}% would be tokens",
    "On {corpus[cores]:d} cores of {corpus[processor]} without a GPU",
    "{corpus[samples sized]:.2f} s, against {corpus[samples plain loop]:.2f} s of a plain loop, "
    "with equal shards. Decoding alone takes {corpus[samples decoding]:.2f} s and encoding alone "
    "{corpus[samples encoding]:.2f} s on both cores",
    "Of clips whose decoding takes about as long as their encoding ({corpus[alike decoding]:.2f} "
    "and {corpus[alike encoding]:.2f} s) it takes {corpus[alike sized]:.2f} s, against "
    "{corpus[alike plain loop]:.2f} s, {corpus[alike loop / sized]:.2f} times as fast",
    "{engines[actors up]:.1f} s against {engines[processes up]:.1f} s until they are up",
    "then {engines[actors work]:.1f} s against {engines[processes work]:.1f} s for the work",
    "40 of them damaged, in {soak[seconds]:.0f} s. Memory of all processes together rises to "
    "{soak[GiB]:.1f} GiB",
    "Open files never exceed {soak[files]:.0f}.",
    "`evs plan` estimated {plan[samples said]:.2f} s for the sample videos and "
    "{plan[clips said]:.1f} s for 40 short clips, and `evs prune` took "
    "{plan[samples real]:.2f} s and {plan[clips real]:.1f} s: "
    "{plan[samples said / real]:.2f} and {plan[clips said / real]:.2f} of the truth",
    "{inputs[folder]:.1f} s in a folder tree, {inputs[list]:.1f} s in a list, "
    "{inputs[tar]:.1f} s in a tar",
)
VISUALIZE = ("({report_size[MB]:.1f} MB of pure noise with three stores",)

TRAINING = (
    "take {training_step[joined s]:.2f} s where one by one they take "
    "{training_step[single s]:.2f} s",
    "AdamW take {training_step[2B full GB]:.0f} and {training_step[8B full GB]:.0f} GB, adapters "
    "beside bfloat16 weights {training_step[2B lora GB]:.0f} and "
    "{training_step[8B lora GB]:.0f} GB, and 10,000 conversations {training_step[2B hours]:.1f} "
    "and {training_step[8B hours]:.1f} hours",
)

EVIDENCE = (
    "STTS leaves {inside[Qwen3-VL-2B stts 0.5 after 3]:.2f} of the encoder's time in a tower of "
    "Qwen3-VL-2B's shape and {inside[Molmo2 stts 0.5 after 3]:.2f} in one of Molmo2's",
)

SERVING = (
    "on {serving[cores]:d} cores of {serving[processor]}, without a GPU",
    *(
        f"| {name} | {{serving[prompt 512 {way}]:,.0f}} "
        f"| {{serving[vllm 512 {way}]:.0f}} s, {{serving[vllm 512 {way}, GB]:.1f}} GB "
        f"| {{serving[transformers 512 {way}]:.0f}} s, "
        f"{{serving[transformers 512 {way}, GB]:.1f}} GB |"
        for way, name in {
            "file": "the file",
            "1": "store, all tokens",
            "0.5": "store, 0.5",
            "0.25": "store, 0.25",
            "0.1": "store, 0.1",
        }.items()
    ),
)

PERFORMANCE = (
    "a minute peaks at {four_hours[short]:,.0f} MiB, an hour {four_hours[middle, above]:,.0f} MiB "
    "above that, and four hours {four_hours[long, above]:,.0f} MiB, in "
    "{four_hours[long, seconds]:.0f} s. With the four hours in memory the peak is "
    "{four_hours[held]:,.0f} MiB",
    "became {packing[mini, run, 8192 patches]:.2f} times as fast with `mini` and "
    "{packing[12x384, run, 8192 patches]:.2f} times with a tower of 12 blocks",
    "`evs` takes {decode[long ours]:.1f} s of processor time and transformers "
    "{decode[long transformers]:.1f} s, {decode[long transformers / ours]:.1f} times as much",
    "the time that the FLOPs left say, {inside[vcast, least over]:.2f} to "
    "{inside[vcast, most over]:.2f} times",
    "{inside[Molmo2 vcast 0.5 input]:.2f} of the time is left at budget 0.5 and "
    "{inside[Molmo2 vcast 0.25 input]:.2f} at 0.25 in Molmo2's tower, after block 2 "
    "{inside[Molmo2 vcast 0.5 after 2]:.2f} and {inside[Molmo2 vcast 0.25 after 2]:.2f}",
    *(
        f"| {tower} | {{places[{name} by hand / after]:.2f}} "
        f"| {{places[{name} by hand / inside]:.2f}} | {{places[{name} by hand / input]:.2f}} |"
        for tower, name in {
            "12 blocks of width 384, a minute of 720p": "small",
            "24 blocks of width 1,024, 8 s": "Qwen3-VL-2B",
            "12 blocks of width 384, in bfloat16": "small bfloat16",
            "24 blocks of width 1,024, in bfloat16": "Qwen3-VL-2B bfloat16",
        }.items()
    ),
    "is done in {places[small input]:.1f} s with all of it",
    "On {start[cores]:d} cores of {start[processor]} the first line of `evs prune` is on a "
    "terminal after {start[first line]:.2f} s, and a clip of 10 s with `mini` is in its store "
    "after {start[prune, cpu]:.1f} s: {start[prune / import]:.1f} times `python -c "
    '"import torch, transformers"` ({start[import models]:.1f} s)',
    "| `import torch` | {start[plainly torch]:.2f} s | {start[as evs does torch]:.2f} s |",
    "| `import transformers` | {start[plainly transformers]:.2f} s "
    "| {start[as evs does transformers]:.2f} s |",
    "| what models need of it | {start[plainly what models need of it]:.2f} s "
    "| {start[as evs does what models need of it]:.2f} s |",
    "| the model itself | {start[plainly mini]:.2f} s | {start[as evs does mini]:.2f} s |",
)
PAGES: dict[str, tuple[str, ...]] = {
    "README.md": README,
    "docs/corpora.md": CORPORA,
    "docs/visualize.md": VISUALIZE,
    "docs/training.md": TRAINING,
    "docs/evidence.md": EVIDENCE,
    "docs/serving.md": SERVING,
    "docs/performance.md": PERFORMANCE,
}
