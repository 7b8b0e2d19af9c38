
use super::*;
use crate::set::RuleSet;

#[test]
#[ignore]
fn stats() {
    let mut files = Vec::new();
    for entry in std::fs::read_dir("/tmp/sg/rules").unwrap() {
        let path = entry.unwrap().path();
        files.push((path.display().to_string(), std::fs::read_to_string(&path).unwrap()));
    }
    let (set, _) = RuleSet::load(&files);
    let program = set.program();
    println!("always {}", program.always.len());
    for r in &program.always { println!("  {}", set.rules()[*r as usize].file); }
    for (name, id) in &program.field_ids {
        let f = &program.fields[*id as usize];
        if !f.present.is_empty() { println!("present {name} {}: {:?}", f.present.len(), f.present.iter().map(|r| set.rules()[*r as usize].title.to_string()).collect::<Vec<_>>()); }
    }
    let mut m = Matcher::new(program.clone());
    let mut counts = std::collections::HashMap::<String, (u32, u32, u32, u32)>::new();
    let mut per = std::collections::HashMap::<u32, u32>::new();
    let text = std::fs::read_to_string("/tmp/sg/ev.ndjson").unwrap();
    for line in text.lines() {
        let mut hits = Vec::new();
        m.read_json(line.as_bytes());
        m.run_json(set.rules(), None, line.as_bytes(), &mut hits);
        let e = counts.entry(format!("{:?}", m.plans[0].source)).or_default();
        e.0 += 1; e.1 += m.candidates.len() as u32; e.2 += hits.len() as u32;
        e.3 += m.slots.has_whole() as u32;
        for c in &m.candidates { *per.entry(*c).or_default() += 1; }
    }
    for (k, v) in counts { println!("{k} {v:?}"); }
    let mut per: Vec<_> = per.into_iter().collect();
    per.sort_by_key(|(_, n)| std::cmp::Reverse(*n));
    for (r, n) in per.iter().take(40) { println!("{n} {}", set.rules()[*r as usize].file); }
}
