// nextflow run main.nf --archive /archive --out /results --shards 64
params.archive = null
params.out = null
params.shards = 64

process SCAN {
    cpus 2

    output:
    path 'manifest.parquet'

    script:
    """
    monai-sr archive scan ${params.archive} --manifest manifest.parquet
    """
}

process SHARD {
    cpus 4
    memory '32 GB'
    accelerator 1
    maxForks params.shards
    // killed by one series: started again, it sets that one aside after two tries
    errorStrategy { task.exitStatus >= 128 ? 'retry' : 'finish' }
    maxRetries 8

    input:
    tuple val(shard), path(manifest)

    output:
    path 'shard.jsonl'

    script:
    // 3 says that some series were refused or set aside, which is no failure of the job
    """
    code=0
    monai-sr archive run --manifest ${manifest} -o ${params.out} --shard ${shard}/${params.shards} --json > shard.jsonl || code=\$?
    if [ \$code -eq 3 ]; then code=0; fi
    exit \$code
    """
}

workflow {
    shards = Channel.of(1..params.shards)
    SHARD(shards.combine(SCAN()))
}
