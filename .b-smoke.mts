import { databaseFolder, readTemplate } from '#storage/register/pglite-folder'
import { DurableFolder, DURABLE_START_PARAMS } from '#storage/register/pglite-durability'
import { PGlite } from '@electric-sql/pglite'
import { rmSync, mkdirSync } from 'node:fs'
rmSync('/tmp/pgl/reg',{recursive:true,force:true}); mkdirSync('/tmp/pgl/reg')
let t=Date.now(); const lap=(s:string)=>{console.log(s,Date.now()-t);t=Date.now()}
const tpl=await readTemplate(); lap('template '+tpl.length)
const f=await databaseFolder('/tmp/pgl/reg'); lap('folder')
const db=await PGlite.create({fs:new DurableFolder(f),startParams:[...DURABLE_START_PARAMS]}); lap('create')
console.log(process.cpuUsage())
process.exit()
